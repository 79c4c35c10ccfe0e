"""Which rules may replace a node that a target does not take, in the order they are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ....graph.ir import Node, Value, apply
from .changed_meanings import CHANGED
from .codes import dequantize_codes, fake_quantize, quantize_codes
from .compositions import COMPOSED
from .function_programs import elementwise
from .hyperbolic import HYPERBOLIC
from .islands import bool_island, float_island, integer_island
from .linear_algebra import cholesky, log_det_spd, solve, solve_spd, triangular_solve
from .newer_operators import NEWER
from .recurrent import RECURRENT
from .runtime_faults import AROUND
from .special_functions import SPECIAL
from .standard_bodies import standard_body
from .state_space import STATE_SPACE

Rule = Callable[[Node], Sequence[Value] | None]


def _one(function: Callable[..., Value]) -> Rule:
    """A rule from a function of the operands that gives the one result."""
    return lambda node: (function(*node.inputs),)


OWN: Mapping[str, Rule] = {
    "StopGradient": _one(lambda x: apply("Identity", x)),
    "Cholesky": _one(cholesky),
    "TriangularSolve": _one(triangular_solve),
    "Solve": _one(solve),
    "SolveSPD": _one(solve_spd),
    "LogDetSPD": _one(log_det_spd),
    "Quantize": quantize_codes,
    "Dequantize": dequantize_codes,
    "FakeQuantize": fake_quantize,
    **STATE_SPACE,
    "Elementwise": elementwise,
}


def rules_for(node: Node) -> Iterator[Rule]:
    """The rules of a node's operator, those that compute it in another dtype, its body."""
    operator = node.operator
    if operator.domain == "graphwright":
        if operator.name in OWN:
            yield OWN[operator.name]
        return
    for table in (AROUND, NEWER, CHANGED, RECURRENT, SPECIAL, HYPERBOLIC, COMPOSED):
        if operator.name in table:
            yield table[operator.name]
    yield float_island
    yield integer_island
    yield standard_body
    yield bool_island
