"""Calls of the standard's operators by exact name (R15, R16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..diagnostics import Span, did_you_mean, fail
from ..ir import Value
from ..operators import AttributeSpec, Formal, Operator, operator
from ..types import BOOL, FLOAT64, INT64, Dim, DType, TensorType, dtype
from .construction import Construction, as_array
from .meanings import Items, Meaning, Results, Tensor, is_tensor_like, is_weak, kind_name, weak_dtype
from .surprises import warn_of_surprises

if TYPE_CHECKING:
    from .calls import Arguments

VECTORS = frozenset(
    "TopK.K Reshape.shape Expand.shape Tile.repeats ConstantOfShape.input Slice.starts Slice.ends Slice.axes "
    "Slice.steps Squeeze.axes Unsqueeze.axes Split.split Pad.pads Pad.axes ReduceSum.axes ReduceMean.axes "
    "ReduceMax.axes ReduceMin.axes ReduceProd.axes ReduceL1.axes ReduceL2.axes ReduceLogSum.axes "
    "ReduceLogSumExp.axes ReduceSumSquare.axes Resize.sizes Resize.scales CenterCropPad.shape".split()
)
"""Inputs that the standard wants as vectors: a number there becomes a vector of one."""


def call_operator(
    build: Construction, name: str, arguments: Arguments, span: Span, wanted: int | None
) -> Meaning:
    """An operator's result; a `Results` where it has several that are not optional, or `wanted`
    says how many. Raises SpecError for arity, names and kinds, RuleError from the type rule."""
    declared = operator(name)
    if any(a.kind == "graph" for a in declared.attributes.values()):
        raise fail("G0515", f"{name} is written with cond, scan, repeat or while_loop in a spec", span)
    given, attributes = _split_arguments(declared, arguments)
    inputs = _inputs(build, declared, given, span)
    _check_arity(declared, inputs, span)
    plain = {k: _attribute(build, declared, declared.attributes[k], m, s) for k, (m, s) in attributes.items()}
    _check_required(declared, plain, span)
    count = wanted if wanted is not None and declared.outputs[-1:] and declared.outputs[-1].variadic else None
    if name == "Split" and count is not None and "num_outputs" not in plain and len(inputs) < 2:
        plain["num_outputs"] = count
    results = build.ops(name, *inputs, outputs=count, **plain)
    warn_of_surprises(build, name, inputs, plain, span)
    return _select(declared, results, wanted, span)


def _split_arguments(
    declared: Operator, arguments: Arguments
) -> tuple[dict[int, tuple[Meaning, Span]], dict[str, tuple[Meaning, Span]]]:
    positions = {f.name: i for i, f in enumerate(declared.inputs)}
    given = dict(enumerate(arguments.positional))
    attributes: dict[str, tuple[Meaning, Span]] = {}
    for name, (meaning, place) in arguments.keywords.items():
        if name in positions:
            if positions[name] in given:
                raise fail("G0505", f"'{name}' is given twice", place)
            given[positions[name]] = (meaning, place)
        elif name in declared.attributes:
            if meaning is not None:
                attributes[name] = (meaning, place)
        else:
            known = [*positions, *declared.attributes]
            hint = did_you_mean(name, known) or f"it has: {', '.join(known)}"
            raise fail("G0503", f"{declared.name} has no attribute or input '{name}'", place, hint=hint)
    return given, attributes


def _formal(declared: Operator, index: int) -> Formal | None:
    if index < len(declared.inputs):
        return declared.inputs[index]
    last = declared.inputs[-1] if declared.inputs else None
    return last if last is not None and last.variadic else None


def _inputs(
    build: Construction, declared: Operator, given: dict[int, tuple[Meaning, Span]], span: Span
) -> list[Value | None]:
    """The operands as values. A weak one takes the dtype of the typed ones of its type variable,
    else the one dtype that the schema allows, else the dtype of a weak value that meets nothing."""
    count = max(given, default=-1) + 1
    bound: dict[str, DType] = {}
    for index, (meaning, place) in given.items():
        formal = _formal(declared, index)
        if formal is None:
            raise _too_many(declared, count, place)
        if not isinstance(meaning, Tensor) or meaning.weak or not isinstance(meaning.value.type, TensorType):
            continue
        if not formal.variadic or formal.homogeneous:
            bound.setdefault(formal.variable, meaning.dtype)
    inputs: list[Value | None] = []
    for index in range(count):
        meaning, place = given.get(index, (None, span))
        formal = _formal(declared, index)
        assert formal is not None
        inputs.append(None if meaning is None else _input(build, declared, formal, meaning, bound, place))
    return inputs


def _input(
    build: Construction,
    declared: Operator,
    formal: Formal,
    meaning: Meaning,
    bound: dict[str, DType],
    place: Span | None,
) -> Value:
    if isinstance(meaning, Items):
        if all(isinstance(i, int | Dim) and not isinstance(i, bool) for i in meaning.items):
            return build.shape_value([i for i in meaning.items if isinstance(i, int | Dim)])
        meaning = as_array(build, meaning)
    if not is_tensor_like(meaning):
        raise fail(
            "G0414",
            f"input '{formal.name}' of {declared.name} needs a tensor, not {kind_name(meaning)}",
            place,
        )
    if isinstance(meaning, Tensor) and not meaning.weak:
        return meaning.value
    with build.at(place):
        value = build.value(meaning, _weak_target(build, formal, meaning, bound))
        if f"{declared.name}.{formal.name}" in VECTORS and value.tensor.rank == 0:
            value = build.op("Unsqueeze", value, build.constant(np.array([0], dtype=np.int64)))
    bound.setdefault(formal.variable, value.tensor.dtype)
    return value


def _weak_target(build: Construction, formal: Formal, meaning: Meaning, bound: dict[str, DType]) -> DType:
    if formal.variable in bound:
        return bound[formal.variable]
    own = build.settle(weak_dtype(meaning))
    allowed = formal.dtypes
    if allowed is None or own.name in allowed:
        return own
    if is_weak(meaning) and weak_dtype(meaning) is INT64 and build.default_float.name in allowed:
        return build.default_float
    if len(allowed) == 1:
        return dtype(next(iter(allowed)))
    return INT64 if own in (FLOAT64, BOOL) and "int64" in allowed else own


def _too_many(declared: Operator, count: int, place: Span) -> Exception:
    names = ", ".join(f.name for f in declared.inputs)
    return fail(
        "G0501",
        f"{declared.name} takes at most {len(declared.inputs)} inputs ({names}), not {count}",
        place,
        hint="attributes are given by keyword" if declared.attributes else None,
    )


def _check_arity(declared: Operator, inputs: Sequence[Value | None], span: Span) -> None:
    for index, formal in enumerate(declared.inputs):
        absent = index >= len(inputs) or inputs[index] is None
        if absent and not formal.optional and not (formal.variadic and index < len(inputs)):
            names = ", ".join(
                f.name + ("?" if f.optional else "…" if f.variadic else "") for f in declared.inputs
            )
            raise fail(
                "G0501", f"{declared.name} needs the input '{formal.name}'", span, hint=f"its inputs: {names}"
            )


def _check_required(declared: Operator, plain: dict[str, Any], span: Span) -> None:
    for spec in declared.attributes.values():
        if spec.required and spec.name not in plain:
            raise fail(
                "G0513",
                f"{declared.name} needs the attribute '{spec.name}'",
                span,
                hint=f"give {spec.name}=…",
            )


# --- attributes ---------------------------------------------------------------------------------------


def _attribute(
    build: Construction, declared: Operator, spec: AttributeSpec, meaning: Meaning, span: Span
) -> Any:
    converted = _plain(spec.kind, meaning)
    if converted is None:
        raise fail(
            "G0504",
            f"attribute '{spec.name}' of {declared.name} takes {spec.kind}, not {kind_name(meaning)}",
            span,
        )
    return converted


def _plain(kind: str, meaning: Meaning) -> Any:
    """The Python value of an attribute of that kind, or None where it does not fit."""
    if kind == "int" and isinstance(meaning, bool | int | DType):
        return meaning.code if isinstance(meaning, DType) else int(meaning)
    if kind == "float" and isinstance(meaning, int | float) and not isinstance(meaning, bool):
        return float(meaning)
    if kind == "string" and isinstance(meaning, str):
        return meaning
    if kind == "tensor" and isinstance(meaning, bool | int | float | np.ndarray):
        return _tensor_attribute(meaning)
    if kind in ("ints", "floats", "strings"):
        return _list_attribute(kind, meaning)
    return None


def _tensor_attribute(meaning: Any) -> Any:
    array = np.atleast_1d(np.asarray(meaning))
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _list_attribute(kind: str, meaning: Meaning) -> list[Any] | None:
    items: Sequence[Any]
    if isinstance(meaning, np.ndarray) and meaning.ndim == 1:
        items = meaning.tolist()
    elif isinstance(meaning, Items):
        items = meaning.items
    else:
        return None
    wanted: tuple[type, ...] = {"ints": (int,), "floats": (int, float), "strings": (str,)}[kind]
    fits = all(isinstance(i, wanted) and not isinstance(i, bool) for i in items)
    return list(items) if fits else None


# --- results ------------------------------------------------------------------------------------------


def _select(declared: Operator, results: tuple[Value, ...], wanted: int | None, span: Span) -> Meaning:
    tensors = tuple(Tensor(v) for v in results)
    names = _names(declared, len(results))
    if wanted is not None:
        least = sum(1 for f in declared.outputs if not f.optional and not f.variadic)
        if not min(least, len(results)) <= wanted <= len(results):
            raise fail(
                "G0509",
                f"{declared.name} has {len(results)} results ({', '.join(names)}), not {wanted}",
                span,
                hint="write _ for a result that is not needed",
            )
        return Results(names[:wanted], tensors[:wanted])
    required = [i for i, f in enumerate(declared.outputs) if not f.optional]
    if len(results) == 1 or (len(required) == 1 and not declared.outputs[0].variadic):
        return tensors[0]
    return Results(names, tensors)


def _names(declared: Operator, count: int) -> tuple[str, ...]:
    names = [f.name for f in declared.outputs if not f.variadic]
    variadic = next((f.name for f in declared.outputs if f.variadic), "output")
    return tuple(names[i] if i < len(names) else f"{variadic}_{i - len(names)}" for i in range(count))
