"""`models:` of a theory: tables, integer arithmetic, or terms of the constructors.

numbers:                    # a range of integers for each sort: arithmetic
  Nat: 0..5
  0: 0
  s(x): x + 1
  x + y: x + y
klein:                      # a number of individuals for each sort: tables
  G: 4
  e: 0
  x * y: [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]
short:                      # 'depth:' of terms: functions computed by the axioms
  depth: 3
  atoms: {Elem: 2}
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..diagnostics import Note, Span, did_you_mean, fail
from ..spec.core_scalars import core_value
from ..spec.expression_parser import parse_expression
from ..spec.expressions import Binary, Boolean, Call, Comparison, Expression, Logical, Name, Number, Unary
from ..spec.keys import GENERATED_KEYS
from ..spec.reading import Reading
from ..spec.yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence
from .infix_parser import parse_infix
from .models import ArithmeticModel, Array, GeneratedModel, Model, TableModel
from .signature import Function, Relation, Signature
from .syntax import Named
from .terms import Application, Term, Variable

INTEGER, BOOLEAN = "int", "bool"
_MOST = 4096  # individuals of a sort, entries of a table
_RANGE = re.compile(r"\s*(-?[0-9]{1,9})\s*\.\.\s*(-?[0-9]{1,9})\s*\Z")
_BINARY = ("+", "-", "*", "//", "%")
_CALLS = {"min": 2, "max": 2, "abs": 1, "divides": 2}


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a model says of a symbol: `parameters` and a body, or a table of `node`."""

    symbol: Function | Relation
    parameters: tuple[str, ...]
    node: YamlNode
    span: Span


def read_models(reading: Reading, node: YamlNode, signature: Signature) -> tuple[Model, ...]:
    """The models in `models:`; mistakes (G1605, G1607, G1612, G02xx) are collected in `reading`."""
    found: list[Model] = []
    for key, value in reading.entries(node, "'models:'"):
        mapping = reading.mapping(value, f"the model '{key.text}'")
        if mapping is None:
            continue
        if "depth" in mapping.places:
            model = _generated(reading, key, mapping, signature)
        else:
            model = _interpreted(reading, key, mapping, signature)
        if model is not None:
            found.append(model)
    return tuple(found)


def _generated(reading: Reading, key: YamlScalar, node: YamlMapping, signature: Signature) -> Model | None:
    fields = reading.fields(node, GENERATED_KEYS, f"the model '{key.text}'", key.span)
    if fields is None:
        return None
    depth = reading.integer(fields["depth"], "'depth:'", low=1) if "depth" in fields else None
    limit = reading.integer(fields["limit"], "'limit:'", low=1) if "limit" in fields else 200
    atoms: dict[str, int] = {}
    for name, value in reading.entries(fields["atoms"], "'atoms:'") if "atoms" in fields else ():
        if not _is_sort(reading, name, signature):
            continue
        if name.text in signature.datatype:
            message = f"'{name.text}' has constructors, and so no atoms"
            reading.error("G1612", message, name.span)
            continue
        count = reading.integer(value, f"the atoms of '{name.text}'", low=1)
        if count is not None:
            atoms[name.text] = count
    for sort in signature.sorts:
        if sort.name not in signature.datatype and sort.name not in atoms:
            atoms[sort.name] = 2
    if depth is None or limit is None:
        return None
    return GeneratedModel(key.text, depth, atoms, limit, key.span)


def _is_sort(reading: Reading, name: YamlScalar, signature: Signature) -> bool:
    if name.text in signature.sort_names:
        return True
    hint = did_you_mean(name.text, signature.sort_names)
    reading.error("G1605", f"unknown sort '{name.text}'", name.span, hint=hint)
    return False


def _interpreted(reading: Reading, key: YamlScalar, node: YamlMapping, signature: Signature) -> Model | None:
    errors = len(reading.diagnostics.errors)
    points: dict[str, tuple[int, ...]] = {}
    sizes: dict[str, int] = {}
    meanings: dict[str, _Meaning] = {}
    for name, value in reading.entries(node, f"the model '{key.text}'"):
        if name.text in signature.sort_names:
            _individuals(reading, name, value, points, sizes)
            continue
        meaning = reading.attempt(_head, name, value, signature)
        if meaning is None:
            continue
        if meaning.symbol.name in meanings:
            note = Note("it has a meaning here", meanings[meaning.symbol.name].span)
            reading.error("G1607", f"'{meaning.symbol.name}' comes twice", name.span, notes=(note,))
        meanings[meaning.symbol.name] = meaning
    if len(reading.diagnostics.errors) > errors:
        return None
    if points and sizes:
        message = "a model gives every sort a number of individuals (tables), or every sort integers"
        reading.error("G1612", message, key.span, hint="'G: 4' is a number, 'G: 0..3' are integers")
        return None
    missing = [s.name for s in signature.sorts if s.name not in points and s.name not in sizes]
    symbols: list[Function | Relation] = [*signature.functions, *signature.relations]
    missing += [s.name for s in symbols if s.name not in meanings]
    if missing:
        message = f"the model '{key.text}' says nothing of {' '.join(missing)}"
        reading.error("G1612", message, key.span, hint="a model gives every sort and symbol a meaning")
        return None
    if sizes:
        return _tables(reading, key, sizes, meanings)
    return _arithmetic(reading, key, points, meanings)


def _individuals(
    reading: Reading,
    name: YamlScalar,
    node: YamlNode,
    points: dict[str, tuple[int, ...]],
    sizes: dict[str, int],
) -> None:
    """`6`, `0..5` or `[0, 1, 7]` for a sort."""
    if isinstance(node, YamlSequence):
        values = [reading.value(item, f"an individual of '{name.text}'", "an integer") for item in node.items]
        numbers = [v[0] for v in values if v is not None and isinstance(v[0], int)]
        if not numbers or len(numbers) != len(node.items):
            reading.error("G1612", "the individuals are a list of integers", node.span)
        points[name.text] = tuple(int(n) for n in numbers)
        return
    found = _RANGE.match(node.text) if isinstance(node, YamlScalar) else None
    if found is None:
        count = reading.integer(node, f"the individuals of '{name.text}'", low=1)
        if count is not None and count > _MOST:
            reading.error("G1612", f"at most {_MOST} individuals", node.span)
        elif count is not None:
            sizes[name.text] = count
        return
    low, high = int(found.group(1)), int(found.group(2))
    if not low <= high < low + _MOST:
        reading.error("G1612", f"a range goes upwards and has at most {_MOST} integers", node.span)
    else:
        points[name.text] = tuple(range(low, high + 1))


def _head(name: YamlScalar, node: YamlNode, signature: Signature) -> _Meaning:
    """The key of a meaning: `s(x)`, `x + y`, `e`, or a symbol alone for a table."""
    symbols: dict[str, Function | Relation] = {**signature.relation, **signature.function}
    span = name.at(0, len(name.text))
    if name.text in symbols:
        symbol = symbols[name.text]
        return _Meaning(symbol, tuple(f"x{i + 1}" for i in range(len(symbol.inputs))), node, span)
    tree = parse_infix(name)
    if not isinstance(tree, Named) or tree.name not in symbols:
        what = tree.name if isinstance(tree, Named) else name.text
        hint = did_you_mean(what, [*signature.sort_names, *symbols])
        place = tree.head if isinstance(tree, Named) else span
        raise fail("G1601", f"unknown symbol '{what}'", place, hint=hint)
    symbol = symbols[tree.name]
    if len(tree.arguments) != len(symbol.inputs):
        message = f"'{tree.name}' takes {len(symbol.inputs)} arguments, and here are {len(tree.arguments)}"
        raise fail("G1602", message, tree.span)
    parameters = [a.name if isinstance(a, Named) and not a.arguments else "" for a in tree.arguments]
    if "" in parameters or len(set(parameters)) != len(parameters):
        raise fail("G1612", "the arguments are different names", tree.span, hint="write 'x + y: …'")
    return _Meaning(symbol, tuple(parameters), node, span)


# --- arithmetic ---------------------------------------------------------------------------


def _arithmetic(
    reading: Reading, key: YamlScalar, points: dict[str, tuple[int, ...]], meanings: dict[str, _Meaning]
) -> Model | None:
    functions: dict[str, tuple[tuple[str, ...], Term]] = {}
    relations: dict[str, tuple[tuple[str, ...], Term]] = {}
    for name, meaning in meanings.items():
        body = reading.attempt(_body, meaning)
        if body is not None and isinstance(meaning.symbol, Function):
            functions[name] = (meaning.parameters, body)
        elif body is not None:
            relations[name] = (meaning.parameters, body)
    if len(functions) + len(relations) < len(meanings):
        return None
    return ArithmeticModel(key.text, points, functions, relations, key.span)


def _body(meaning: _Meaning) -> Term:
    if not isinstance(meaning.node, YamlScalar):
        hint = "tables belong to a model of finitely many individuals: 'G: 4' in place of 'G: 0..3'"
        raise fail("G1612", f"'{meaning.symbol.name}' is a table", meaning.node.span, hint=hint)
    body = _term(parse_expression(meaning.node), meaning.parameters)
    wanted = INTEGER if isinstance(meaning.symbol, Function) else BOOLEAN
    if body.sort != wanted:
        what = "a function gives an integer" if wanted == INTEGER else "a relation gives a condition"
        raise fail("G1612", f"{what}, and this does not", meaning.node.span)
    return body


def _term(e: Expression, parameters: Sequence[str]) -> Term:
    """An expression as a term over the symbols of `ArithmeticModel`."""
    if isinstance(e, Number) and isinstance(e.value, int):
        return Application(str(e.value), (), INTEGER)
    if isinstance(e, Name) and e.name in parameters:
        return Variable(e.name, INTEGER)
    if isinstance(e, Name):
        hint = did_you_mean(e.name, parameters) or f"its arguments are {', '.join(parameters) or 'none'}"
        raise fail("G1601", f"unknown name '{e.name}'", e.span, hint=hint)
    if isinstance(e, Unary) and e.operator in ("-", "not"):
        sort = INTEGER if e.operator == "-" else BOOLEAN
        return _made("neg" if e.operator == "-" else "not", (e.operand,), sort, sort, parameters)
    if isinstance(e, Binary) and e.operator in _BINARY:
        return _made(e.operator, (e.left, e.right), INTEGER, INTEGER, parameters)
    if isinstance(e, Logical):
        return _folded(e.operator, [_checked(o, BOOLEAN, parameters) for o in e.operands])
    if isinstance(e, Comparison):
        pairs = zip(e.operators, itertools.pairwise(e.operands), strict=True)
        return _folded("and", [_comparison(o, a, b, parameters) for o, (a, b) in pairs])
    if (
        isinstance(e, Call)
        and isinstance(e.function, Name)
        and _CALLS.get(e.function.name) == len(e.arguments)
    ):
        sort = BOOLEAN if e.function.name == "divides" else INTEGER
        return _made(e.function.name, e.arguments, INTEGER, sort, parameters)
    if isinstance(e, Boolean):
        value = (Application("0", (), INTEGER), Application("0" if e.value else "1", (), INTEGER))
        return Application("=", value, BOOLEAN)
    hint = "a model's arithmetic has + - * // % min max abs divides, comparisons, and or not"
    raise fail("G1612", "this has no meaning in a model", e.span, hint=hint)


def _checked(e: Expression, sort: str, parameters: Sequence[str]) -> Term:
    term = _term(e, parameters)
    if term.sort != sort:
        wanted = "an integer" if sort == INTEGER else "a condition"
        raise fail("G1612", f"{wanted} is wanted here", e.span)
    return term


def _made(
    symbol: str, operands: Sequence[Expression], sort: str, output: str, parameters: Sequence[str]
) -> Term:
    return Application(symbol, tuple(_checked(o, sort, parameters) for o in operands), output)


def _comparison(operator: str, left: Expression, right: Expression, parameters: Sequence[str]) -> Term:
    a, b = (_checked(e, INTEGER, parameters) for e in (left, right))
    if operator in (">", ">="):
        a, b = b, a
    symbol = {"==": "=", "!=": "=", ">": "<", ">=": "<="}.get(operator, operator)
    term = Application(symbol, (a, b), BOOLEAN)
    return Application("not", (term,), BOOLEAN) if operator == "!=" else term


def _folded(symbol: str, terms: Sequence[Term]) -> Term:
    result = terms[0]
    for term in terms[1:]:
        result = Application(symbol, (result, term), BOOLEAN)
    return result


def evaluate(term: Term, values: dict[str, int]) -> int:
    """The value of a model's body at integers (0 and 1 for conditions)."""
    if isinstance(term, Variable):
        return values[term.name]
    assert isinstance(term, Application)
    if not term.arguments:
        return int(term.symbol)
    arguments = [evaluate(a, values) for a in term.arguments]
    a, b = arguments[0], arguments[-1]
    results = {
        "+": a + b, "-": a - b, "*": a * b, "//": a // b if b else 0, "%": a % b if b else 0,
        "min": min(a, b), "max": max(a, b), "neg": -a, "abs": abs(a), "=": a == b, "<": a < b, "<=": a <= b,
        "and": a and b, "or": a or b, "not": not a, "divides": b == 0 if a == 0 else b % a == 0,
    }  # fmt: skip
    return int(results[term.symbol])


# --- tables -------------------------------------------------------------------------------


def _tables(
    reading: Reading, key: YamlScalar, sizes: dict[str, int], meanings: dict[str, _Meaning]
) -> Model | None:
    functions: dict[str, Array] = {}
    relations: dict[str, Array] = {}
    for name, meaning in meanings.items():
        table = reading.attempt(_table, meaning, sizes)
        if table is not None and isinstance(meaning.symbol, Function):
            functions[name] = table
        elif table is not None:
            relations[name] = table.astype(bool)
    if len(functions) + len(relations) < len(meanings):
        return None
    return TableModel(key.text, sizes, functions, relations, key.span)


def _table(meaning: _Meaning, sizes: dict[str, int]) -> Array:
    """int64 with an axis an input; entries are individuals of the output (0 or 1 for relations)."""
    symbol = meaning.symbol
    shape = tuple(sizes[sort] for sort in symbol.inputs)
    limit = sizes[symbol.output] if isinstance(symbol, Function) else 2
    if int(np.prod(shape, dtype=np.int64)) > _MOST:
        raise fail("G1612", f"the table of '{symbol.name}' has more than {_MOST} entries", meaning.span)
    if isinstance(meaning.node, YamlSequence):
        values = _nested(meaning.node)
        array = np.array(values, dtype=np.int64) if _is_even(values) else np.empty(0, dtype=np.int64)
        if array.shape != shape:
            size = " by ".join(map(str, shape)) or "single"
            raise fail("G1612", f"the table of '{symbol.name}' is {size} integers", meaning.node.span)
    else:
        body = _body(meaning)
        array = np.zeros(shape, dtype=np.int64)
        for point in itertools.product(*(range(n) for n in shape)):
            array[point] = evaluate(body, dict(zip(meaning.parameters, point, strict=True)))
    if array.size and (array.min() < 0 or array.max() >= limit):
        worst = int(array.max() if array.max() >= limit else array.min())
        message = f"'{symbol.name}' has the value {worst}, and its values are 0 to {limit - 1}"
        raise fail("G1612", message, meaning.node.span)
    return array


def _nested(node: YamlNode) -> object:
    if isinstance(node, YamlSequence):
        return [_nested(item) for item in node.items]
    value = core_value(node) if isinstance(node, YamlScalar) else None
    if not isinstance(value, int):
        raise fail("G1612", "a table holds integers, or true and false for a relation", node.span)
    return int(value)


def _is_even(values: object) -> bool:
    """Whether all rows of nested lists have the same form."""
    if not isinstance(values, list):
        return True
    forms = {_form(v) for v in values}
    return len(forms) == 1 and all(_is_even(v) for v in values)


def _form(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        return ()
    return (len(value), *(_form(value[0]) if value else ()))
