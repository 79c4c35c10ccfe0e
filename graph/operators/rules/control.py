"""Operators with bodies: If, Loop, Scan, SequenceMap.

Bodies are **closed** graphs: their inputs are Arguments 0, 1, …, and every value that the
standard would let them capture from outside is an explicit operand, after the standard's own.

    If           operands (cond, *captures); both branches take (*captures)
    Loop         operands (M, cond, *carried, *captures), attribute `captures` = how many;
                 body (iteration, condition, *carried, *captures) -> (condition, *carried, *stacked)
    Scan         operands (*states, *scanned, *captures), attributes `captures` and
                 `num_scan_inputs` (which counts the scanned ones only);
                 body (*states, *slices, *captures) -> (*states, *stacked)
    SequenceMap  the standard's: tensors among its additional inputs go to the body whole

An argument's type must be the operand's, or more general (with sizes or a rank unknown); an argument with known
content must be given an operand of that content. A carried value or state keeps its argument's
type, since there may be no iteration at all. `If` needs no count: all operands after `cond` are
captures; a `captures` attribute on it, where given, must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...types.dimensions import maximum
from ...types.dtypes import BOOL, INT64
from ...types.refinement import covers, join, met
from ...types.types import Axis, SequenceType, TensorType, Type
from ..attributes import Attribute
from ..operator import AttributeSpec, Call, Formal, Operand, RuleError, TypeRule
from .broadcasting import require_equal
from .operands import integers, may_be_one, normal_axis, present, refuse, tensor, whole_content

Body = Any
"""A Graph: `inputs` and `outputs` are values. (The graph module builds on this one.)"""

EXTRA_INPUTS: dict[str, tuple[Formal, ...]] = {
    "If": (Formal("captures", "C", variadic=True, homogeneous=False),),
}
_CAPTURES = AttributeSpec(
    "captures",
    "int",
    default=Attribute("int", 0),
    doc="How many of the last operands are values that the body captures.",
)
EXTRA_ATTRIBUTES: dict[str, tuple[AttributeSpec, ...]] = {
    "If": (AttributeSpec("captures", "int", doc=_CAPTURES.doc),),
    "Loop": (_CAPTURES,),
    "Scan": (_CAPTURES,),
}


def _disagree(call: Call, message: str, operands: Sequence[int] = ()) -> RuleError:
    return RuleError("G0467", f"{call.operator.name}: {message}", operands)


def _body_of(call: Call, name: str, arguments: int) -> Body:
    body = call.attribute(name)
    if len(body.inputs) != arguments:
        raise _disagree(call, f"'{name}' takes {len(body.inputs)} arguments and is given {arguments}")
    return body


def _pass_argument(call: Call, body: Body, position: int, operand: Operand | None, index: int) -> None:
    """Checks one operand against the argument that receives it whole."""
    declared = body.inputs[position]
    if operand is None:
        raise _disagree(call, f"operand {index + 1} is absent", (index,))
    if not covers(declared.type, operand.type):
        raise _disagree(
            call,
            f"argument {position} of the body is {declared.type}, operand {index + 1} {operand.type}",
            (index,),
        )
    if declared.known is not None and declared.known != operand.known:
        raise _disagree(call, f"argument {position} of the body is declared with other contents", (index,))


def _keeps_type(call: Call, body: Body, argument: int, result: int) -> Type:
    declared: Type = body.inputs[argument].type
    found: Type = body.outputs[result].type
    if not covers(declared, found):
        raise _disagree(call, f"a carried value starts as {declared} and becomes {found} after one step")
    return declared


def _captures(call: Call) -> int:
    count: int = call.attribute("captures")
    if not 0 <= count <= len(call.inputs):
        raise _disagree(call, f"captures={count} of {len(call.inputs)} operands")
    return count


# --- If ---------------------------------------------------------------------------------------


def _if(call: Call) -> Sequence[Type]:
    if not may_be_one(tensor(call, 0)):
        raise RuleError("G0405", f"the condition of If is one bool; this is {tensor(call, 0)}", (0,))
    captures = call.inputs[1:]
    if call.attribute("captures", len(captures)) != len(captures):
        raise _disagree(
            call, f"captures={call.attribute('captures')}, but {len(captures)} operands follow cond"
        )
    branches = [_body_of(call, name, len(captures)) for name in ("then_branch", "else_branch")]
    for branch in branches:
        for position, operand in enumerate(captures):
            _pass_argument(call, branch, position, operand, position + 1)
    then, other = (b.outputs for b in branches)
    if len(then) != len(other):
        raise _disagree(call, f"the branches have {len(then)} and {len(other)} results")
    return tuple(_branch_type(call, a.type, b.type) for a, b in zip(then, other, strict=True))


def _branch_type(call: Call, then: Type, other: Type) -> Type:
    joined = join(then, other)
    if joined is None:
        raise _disagree(call, f"the branches give {then} and {other}")
    return joined


# --- Loop -------------------------------------------------------------------------------------


def _loop(call: Call) -> Sequence[Type]:
    operands = max(len(call.inputs), 2)  # both M and cond may be absent
    carried = operands - 2 - _captures(call)
    if carried < 0:
        raise _disagree(call, "there are fewer operands than captures")
    body = _body_of(call, "body", operands)
    for position, dtype in ((0, INT64), (1, BOOL)):
        declared = body.inputs[position].type
        if not isinstance(declared, TensorType) or declared.dtype is not dtype or not may_be_one(declared):
            raise _disagree(call, f"argument {position} of the body is {declared}, not {dtype.name}[]")
    for position in range(2, len(call.inputs)):
        _pass_argument(call, body, position, call.inputs[position], position)
    if len(body.outputs) < 1 + carried:
        raise _disagree(call, f"the body has {len(body.outputs)} results for {carried} carried values")
    kept = [_keeps_type(call, body, 2 + i, 1 + i) for i in range(carried)]
    trips = _trip_count(call, body)
    return (*kept, *(_stacked(call, v.type, trips, 0) for v in body.outputs[1 + carried :]))


def _trip_count(call: Call, body: Body) -> Axis:
    """The number of iterations where nothing but M ends the loop and M is known."""
    count = whole_content(call, 0)
    if count is None or (present(call, 1) and integers(call, 1) != (1,)):
        return None
    condition = body.outputs[0]
    while condition.node.operator.name == "Identity":
        condition = condition.node.inputs[0]
    goes_on = condition is body.inputs[1] or condition.known == (1,)
    return maximum(count[0], 0) if goes_on else None


def _stacked(call: Call, found: Type, length: Axis, axis: int) -> Type:
    if not isinstance(found, TensorType):
        raise _disagree(call, f"a result of each step is {found}; only tensors can be stacked")
    if found.axes is None:
        return found
    axis = normal_axis(call, axis, len(found.axes) + 1)
    return TensorType.of(found.dtype, (*found.axes[:axis], length, *found.axes[axis:]))


# --- Scan -------------------------------------------------------------------------------------


def _scan(call: Call) -> Sequence[Type]:
    scanned, captures = call.attribute("num_scan_inputs"), _captures(call)
    states = len(call.inputs) - scanned - captures
    if states < 0 or scanned < 1:
        raise _disagree(
            call, f"num_scan_inputs={scanned} and captures={captures} of {len(call.inputs)} operands"
        )
    body = _body_of(call, "body", len(call.inputs))
    for position in (*range(states), *range(states + scanned, len(call.inputs))):
        _pass_argument(call, body, position, call.inputs[position], position)
    length = _scan_length(call, body, states, scanned)
    if len(body.outputs) < states:
        raise _disagree(call, f"the body has {len(body.outputs)} results for {states} states")
    kept = [_keeps_type(call, body, i, i) for i in range(states)]
    results = body.outputs[states:]
    axes = call.attribute("scan_output_axes") or (0,) * len(results)
    if len(axes) != len(results):
        raise _disagree(call, f"{len(axes)} scan_output_axes for {len(results)} stacked results")
    return (*kept, *(_stacked(call, v.type, length, a) for v, a in zip(results, axes, strict=True)))


def _scan_length(call: Call, body: Body, first: int, count: int) -> Axis:
    axes = call.attribute("scan_input_axes") or (0,) * count
    if len(axes) != count:
        raise _disagree(call, f"{len(axes)} scan_input_axes for {count} scanned operands")
    length: Axis = None
    for position, axis in zip(range(first, first + count), axes, strict=True):
        found = tensor(call, position)
        if found.axes is None:
            continue
        axis = normal_axis(call, axis, len(found.axes), position)
        piece = TensorType.of(found.dtype, (*found.axes[:axis], *found.axes[axis + 1 :]))
        declared = body.inputs[position].type
        if not covers(declared, piece):
            raise _disagree(
                call,
                f"argument {position} of the body is {declared}, a slice of operand {position + 1} {piece}",
                (position,),
            )
        require_equal(call, length, found.axes[axis], (first, position))
        length = met(length, found.axes[axis])
    return length


# --- SequenceMap ------------------------------------------------------------------------------


def _sequence_map(call: Call) -> Sequence[Type]:
    body = _body_of(call, "body", len(call.inputs))
    for position, operand in enumerate(call.inputs):
        if operand is None:
            raise _disagree(call, f"operand {position + 1} is absent", (position,))
        given = operand.type.element if isinstance(operand.type, SequenceType) else operand.type
        declared = body.inputs[position].type
        if not covers(declared, given):
            raise _disagree(
                call, f"argument {position} of the body is {declared}, its operand gives {given}", (position,)
            )
    if not call.inputs or call.inputs[0] is None or not isinstance(call.inputs[0].type, SequenceType):
        raise refuse(call, "the first operand is a sequence", (0,))
    return tuple(SequenceType(v.type) for v in body.outputs)


TYPES: dict[str, TypeRule] = {"If": _if, "Loop": _loop, "Scan": _scan, "SequenceMap": _sequence_map}

TRAITS: dict[str, frozenset[str]] = {name: frozenset({"control"}) for name in TYPES}
