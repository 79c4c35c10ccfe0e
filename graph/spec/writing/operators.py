"""Nodes as expressions: the form that a person would write where there is one, else a call of the
operator by its exact name (R15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...diagnostics import fail
from ...ir import Node
from ...operators import Attribute
from ...types.dimensions import Dimension
from ...types.dtypes import BOOL, BY_CODE, FLOAT32
from ...types.types import TensorType
from .. import expressions as ex
from .constants import shortest, weak_literal
from .dimensions import dimension, writable
from .operands import Operands, conversion
from .syntax import (
    NOWHERE,
    binary,
    boolean,
    call,
    comparison,
    integers,
    listed,
    logical,
    member,
    number,
    slice_of,
    subscript,
    text,
    unary,
)

Form = Callable[[Operands], ex.Expression | None]

CONVERSIONS = frozenset(
    "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()
)
"""The dtypes whose names are functions."""


def expression_of(operands: Operands) -> ex.Expression:
    """The node's expression. Raises SpecError G1221 for what a spec can't say."""
    node = operands.node
    form = FORMS.get(node.name) if node.operator.domain == "" else OURS.get(node.name)
    found = form(operands) if form is not None else None
    return found if found is not None else operator_call(operands)


def operator_call(operands: Operands) -> ex.Expression:
    """`Operator(inputs, attribute=value)`."""
    node = operands.node
    if node.operator.domain:
        raise fail("G1221", f"the operator {node.operator.qualified_name} has no form in a spec")
    if node.name == "ConstantOfShape":
        return _constant_of_shape(operands)
    arguments = [operands.operand(i) for i in range(len(operands))]
    keywords = {name: attribute(node, name, a) for name, a in sorted(node.attributes.items())}
    return call(node.name, arguments, keywords)


_DTYPE_ATTRIBUTES = frozenset(("to", "dtype", "output_dtype", "output_datatype"))


def attribute(node: Node, name: str, found: Attribute) -> ex.Expression:
    """An attribute's value as a literal. Raises SpecError G1221 for a kind that has none."""
    value = found.value
    if found.kind == "int":
        if name in _DTYPE_ATTRIBUTES and value in BY_CODE:
            return ex.Name(NOWHERE, BY_CODE[value].name)
        return number(value)
    if found.kind == "float":
        return number(shortest(value, FLOAT32))
    if found.kind == "string":
        return text(value)
    if found.kind == "ints":
        return integers(value)
    if found.kind == "floats":
        return listed(number(shortest(v, FLOAT32)) for v in value)
    if found.kind == "strings":
        return listed(text(v) for v in value)
    if found.kind == "tensor" and value.dtype.name in ("float32", "int64", "bool") and value.ndim == 1:
        return number_or_list(value)
    raise fail("G1221", f"attribute '{name}' of {node.name}, of kind {found.kind}, has no form in a spec")


def number_or_list(array: object) -> ex.Expression:
    found = weak_literal(array)  # type: ignore[arg-type]  # an array
    if isinstance(found, ex.ListOf) and len(found.items) == 1:
        return found.items[0]
    return found


def _constant_of_shape(operands: Operands) -> ex.Expression:
    """The fill is float32, int64 or bool in a spec; another dtype is converted to."""
    node = operands.node
    fill = node.attributes.get("value")
    keywords: dict[str, ex.Expression] = {}
    shape = operands.operand(0)
    if fill is None:
        return call("ConstantOfShape", [shape])
    array = fill.value
    dtype = node.outputs[0].tensor.dtype
    if dtype.name in ("float32", "int64", "bool"):
        keywords["value"] = number_or_list(array)
        return call("ConstantOfShape", [shape], keywords)
    if dtype.name not in CONVERSIONS:
        raise fail("G1221", f"a ConstantOfShape of {dtype} has no form in a spec")
    import numpy as np

    wide = array.astype(np.float32 if dtype.is_float else np.int64)
    if not np.array_equal(wide.astype(array.dtype), array):
        raise fail("G1221", f"a ConstantOfShape filled with {array.reshape(-1)[0]} has no form in a spec")
    keywords["value"] = number_or_list(wide)
    return conversion(dtype, call("ConstantOfShape", [shape], keywords))


# --- arithmetic and comparison ------------------------------------------------------------------


def _sides(operands: Operands) -> tuple[ex.Expression, ex.Expression] | None:
    """Both sides of a binary operator, one of them typed; None where neither is, or dtypes differ."""
    if len(operands) != 2 or operands.dtype(0) is None or operands.dtype(0) is not operands.dtype(1):
        return None
    if operands.is_typed(0) and operands.is_typed(1):
        return operands.operand(0), operands.operand(1)
    if operands.is_typed(0):
        return operands.operand(0), operands.side(1, 0)
    return (operands.side(0, 1), operands.operand(1)) if operands.is_typed(1) else None


def _numeric(symbol: str, kinds: tuple[str, ...]) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        dtype = operands.dtype(0)
        if dtype is None or dtype.kind not in kinds or operands.node.attributes:
            return None
        sides = _sides(operands)
        return None if sides is None else binary(symbol, *sides)

    return form


_ANY = ("float", "int", "uint")


def _compare(symbol: str) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        dtype = operands.dtype(0)
        if dtype is None or (dtype.kind not in _ANY and not (dtype is BOOL and symbol == "==")):
            return None
        sides = _sides(operands)
        return None if sides is None else comparison(symbol, *sides)

    return form


def _logic(word: str) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        sides = _sides(operands)
        return None if sides is None else logical(word, sides)

    return form


def _not(operands: Operands) -> ex.Expression | None:
    return unary("not", operands.operand(0)) if operands.is_typed(0) else None


def _negative(operands: Operands) -> ex.Expression | None:
    dtype = operands.dtype(0)
    if dtype is None or dtype.kind not in ("float", "int") or not operands.is_typed(0):
        return None
    return unary("-", operands.operand(0))


# --- prelude functions ----------------------------------------------------------------------------


def _function(name: str, kinds: tuple[str, ...] = ("float",)) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        dtype = operands.dtype(0)
        if dtype is None or dtype.kind not in kinds or not operands.is_typed(0) or operands.node.attributes:
            return None
        return call(name, [operands.operand(0)])

    return form


def _extreme(name: str) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        sides = _sides(operands)
        return None if sides is None or operands.dtype(0) is BOOL else call(name, sides)

    return form


def _where(operands: Operands) -> ex.Expression | None:
    if operands.dtype(1) is not operands.dtype(2) or not operands.is_typed(0):
        return None
    if operands.dtype(1) is BOOL or not (operands.is_typed(1) or operands.is_typed(2)):
        return None
    first = operands.operand(1) if operands.is_typed(1) else operands.side(1, 2)
    second = operands.operand(2) if operands.is_typed(2) else operands.side(2, 1)
    return call("where", [operands.operand(0), first, second])


def _clip(operands: Operands) -> ex.Expression | None:
    limits = [operands.value(i) for i in (1, 2)]
    if not operands.is_typed(0) or any(v is not None and v.constant is None for v in limits):
        return None
    if any(v is not None and (v.constant is None or v.constant.ndim) for v in limits):
        return None
    low, high = (operands.operand(i) for i in (1, 2))
    if limits[1] is None:
        return None if limits[0] is None else call("clip", [operands.operand(0), low])
    if limits[0] is None:
        return call("clip", [operands.operand(0)], {"high": high})
    return call("clip", [operands.operand(0), low, high])


def _softmax(name: str) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        rank = operands.rank(0)
        if rank is None or rank == 0 or not operands.is_typed(0):
            return None
        axis = operands.node.attribute("axis", -1) % rank
        keywords = {} if axis == rank - 1 else {"axis": number(axis)}
        return call(name, [operands.operand(0)], keywords)

    return form


def _reduction(name: str, kinds: tuple[str, ...]) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        node, rank, dtype = operands.node, operands.rank(0), operands.dtype(0)
        if rank is None or dtype is None or dtype.kind not in kinds or not operands.is_typed(0):
            return None
        keywords: dict[str, ex.Expression] = {}
        axes = operands.plain_integers(1) if operands.value(1) is not None else []
        if axes is None or (not axes and node.attribute("noop_with_empty_axes", 0)):
            return None
        if axes:
            shown = [a if a == -1 else a % rank for a in axes]
            keywords["axis"] = number(shown[0]) if len(shown) == 1 else integers(shown)
        if node.attribute("keepdims", 1):
            keywords["keepdims"] = boolean(True)
        return call(name, [operands.operand(0)], keywords)

    return form


def _cast(operands: Operands) -> ex.Expression | None:
    node = operands.node
    dtype = node.outputs[0].tensor.dtype
    if dtype.name not in CONVERSIONS or set(node.attributes) != {"to"} or not operands.is_typed(0):
        return None
    if operands.dtype(0) is None or operands.dtype(0).kind == "string":  # type: ignore[union-attr]  # just tested
        return None
    return conversion(dtype, operands.operand(0))


def _einsum(operands: Operands) -> ex.Expression | None:
    if not all(operands.is_typed(i) for i in range(len(operands))):
        return None
    equation = operands.node.attribute("equation").replace(" ", "")
    return call("einsum", [text(equation), *(operands.operand(i) for i in range(len(operands)))])


# --- layout -----------------------------------------------------------------------------------------


def _result_dims(operands: Operands) -> list[Dimension] | None:
    """The dimensions of the result, where all can be written."""
    found = operands.node.outputs[0].type
    if not isinstance(found, TensorType) or found.dims is None:
        return None
    return list(found.dims) if all(writable(d, operands.sizes) for d in found.dims) else None


def _shaped(name: str) -> Form:
    def form(operands: Operands) -> ex.Expression | None:
        dims = _result_dims(operands)
        if dims is None or not operands.is_typed(0):
            return None
        return call(name, [operands.operand(0), listed(dimension(d, operands.sizes) for d in dims)])

    return form


def _transpose(operands: Operands) -> ex.Expression | None:
    rank = operands.rank(0)
    if rank is None or rank < 2 or not operands.is_typed(0):
        return None
    given = operands.node.attribute("perm")
    perm = list(given) if given is not None else list(reversed(range(rank)))
    base = operands.operand(0)
    if perm == [*range(rank - 2), rank - 1, rank - 2]:
        return member(base, "T" if rank == 2 else "mT")
    return call("transpose", [base, integers(perm)])


_ALL = slice_of(None, None)


def _unsqueeze(operands: Operands) -> ex.Expression | None:
    rank, axes = operands.rank(0), operands.plain_integers(1)
    if rank is None or axes is None or not operands.is_typed(0) or rank + len(axes) > 6:
        return None
    total = rank + len(axes)
    new = {a % total for a in axes}
    if len(new) != len(axes):
        return None
    items: list[ex.Expression] = [ex.Nothing(NOWHERE) if i in new else _ALL for i in range(total)]
    while items and items[-1] is _ALL:
        items.pop()
    if len(new) == 1 and max(new) == total - 1 and total > 2:
        items = [ex.Ellipsis(NOWHERE), ex.Nothing(NOWHERE)]
    return subscript(operands.operand(0), items)


def _gather(operands: Operands) -> ex.Expression | None:
    rank = operands.rank(0)
    axis = operands.node.attribute("axis", 0)
    index = operands.value(1)
    if rank is None or not rank or index is None or not operands.is_typed(0):
        return None
    axis %= rank
    dtype = operands.dtype(1)
    if dtype is None or dtype.name not in ("int32", "int64") or (index.constant is not None and rank > 6):
        return None
    if index.constant is not None:
        if index.constant.ndim or dtype.name != "int64":
            return None
        item = number(int(index.constant))
    elif not operands.is_typed(1) or operands.rank(1) is None:
        return None
    else:
        item = operands.operand(1)
    return subscript(operands.operand(0), [*[_ALL] * axis, item])


def _slice(operands: Operands) -> ex.Expression | None:
    found, rank = operands.type(0), operands.rank(0)
    if found is None or rank is None or not rank or not operands.is_typed(0):
        return None
    starts, ends = operands.integers(1), operands.integers(2)
    if starts is None or ends is None or None in starts or None in ends:
        return None
    axes = operands.plain_integers(3) if operands.value(3) is not None else list(range(len(starts)))
    steps = operands.plain_integers(4) if operands.value(4) is not None else [1] * len(starts)
    if axes is None or steps is None or not len(starts) == len(ends) == len(axes) == len(steps):
        return None
    items: list[ex.Expression] = [_ALL] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        assert start is not None and end is not None
        part = _slice_part(start, end, step, operands)
        if part is None or items[axis % rank] is not _ALL:
            return None
        items[axis % rank] = part
    while len(items) > 1 and items[-1] is _ALL:
        items.pop()
    return subscript(operands.operand(0), items)


_FAR = 2**31 - 1


def _slice_part(start: Dimension, end: Dimension, step: int, operands: Operands) -> ex.Expression | None:
    if step < 1:
        return None
    low = None if start == 0 or (isinstance(start, int) and start <= -_FAR) else start
    high = None if isinstance(end, int) and end >= _FAR else end
    parts = [None if p is None else dimension(p, operands.sizes) for p in (low, high)]
    return ex.Slice(NOWHERE, parts[0], parts[1], None if step == 1 else number(step))


def _concat(operands: Operands) -> ex.Expression | None:
    rank = operands.rank(0)
    if not rank or any(operands.dtype(i) is not operands.dtype(0) for i in range(len(operands))):
        return None
    if not all(operands.is_typed(i) for i in range(len(operands))) or len(operands) < 2:
        return None
    axis = operands.node.attribute("axis")
    keywords = {"axis": number(axis if axis == -1 else axis % rank)} if axis % rank else {}
    return call("concat", [listed(operands.operand(i) for i in range(len(operands)))], keywords)


def _identity(operands: Operands) -> ex.Expression | None:
    return operands.operand(0) if operands.is_typed(0) else None


FORMS: Mapping[str, Form] = {
    "Add": _numeric("+", _ANY),
    "Sub": _numeric("-", _ANY),
    "Mul": _numeric("*", _ANY),
    "Div": _numeric("/", ("float",)),
    "Mod": _numeric("%", ("int", "uint")),
    "Pow": _numeric("**", _ANY),
    "MatMul": _numeric("@", _ANY),
    "BitwiseAnd": _numeric("&", ("int", "uint")),
    "BitwiseOr": _numeric("|", ("int", "uint")),
    "BitwiseXor": _numeric("^", ("int", "uint")),
    "Equal": _compare("=="),
    "Less": _compare("<"),
    "LessOrEqual": _compare("<="),
    "Greater": _compare(">"),
    "GreaterOrEqual": _compare(">="),
    "And": _logic("and"),
    "Or": _logic("or"),
    "Not": _not,
    "Neg": _negative,
    **{
        name.capitalize(): _function(name)
        for name in "exp log sqrt sin cos tan asin acos atan sinh cosh tanh sigmoid softplus reciprocal erf".split()
    },
    "Abs": _function("abs", _ANY),
    "Sign": _function("sign", _ANY),
    "Floor": _function("floor"),
    "Ceil": _function("ceil"),
    "Round": _function("round"),
    "Max": _extreme("maximum"),
    "Min": _extreme("minimum"),
    "Where": _where,
    "Clip": _clip,
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "ReduceMean": _reduction("mean", ("float",)),
    "ReduceSum": _reduction("sum", _ANY),
    "ReduceMax": _reduction("max", _ANY),
    "ReduceMin": _reduction("min", _ANY),
    "ReduceProd": _reduction("prod", _ANY),
    "Cast": _cast,
    "Einsum": _einsum,
    "Reshape": _shaped("reshape"),
    "Expand": _shaped("expand"),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Identity": _identity,
}


def _ours(name: str) -> Form:
    return lambda operands: call(name, [operands.operand(i) for i in range(len(operands))])


OURS: Mapping[str, Form] = {
    "StopGradient": _ours("stop_gradient"),
    "Cholesky": _ours("cholesky"),
    "LogDetSPD": _ours("logdet_spd"),
    "Solve": _ours("solve"),
    "SolveSPD": _ours("solve_spd"),
    "TriangularSolve": _ours("solve_triangular"),
}
