"""Which layers of a lossy pass cost most."""

from __future__ import annotations

from collections.abc import Callable

from ...graph.ir import Program, Value
from .application import with_sites
from .pass_ import Replacement, Result

MOST_LAYERS = 32
NAMED = 5


def layer_costs(before: Program, result: Result, margin: Callable[[Program], float]) -> tuple[str, ...]:
    """The layers whose replacement alone leaves the smallest margin, as texts, worst first. Empty for
    a pass without sites, or with sites that are no values of the program it was given."""
    layers = _layers(before, result)
    if not layers or len(layers) > MOST_LAYERS:
        return ()
    untouched = margin(before)
    costs = []
    for name, sites in layers.items():
        program = before.with_graph(with_sites(before, sites), weights=result.program.weights)
        costs.append((untouched - margin(program), name))
    costs.sort(key=lambda c: (-c[0], c[1]))
    return tuple(f"{name} costs {cost:.4g}" for cost, name in costs[:NAMED])


def _layers(before: Program, result: Result) -> dict[str, list[Replacement]]:
    own: set[Value] = {v for n in before.graph.nodes for v in n.outputs}
    labels = {value: name for name, value in before.names.items()}
    layers: dict[str, list[Replacement]] = {}
    for number, replacement in enumerate(result.replacements):
        value = replacement.old[0]
        if value not in own:
            continue
        name = labels.get(value) or before.origin(value).path or f"site {number + 1}"
        layers.setdefault(name, []).append(replacement)
    return layers
