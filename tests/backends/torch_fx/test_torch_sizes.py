"""Sizes written as FX arithmetic give what the dimension's own evaluation gives."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx

from graphwright.backends.torch_fx.sizes import SizeWriter, find_sources
from graphwright.graph.ir import leaf
from graphwright.graph.types import FLOAT32, Dimension, TensorType, symbol
from graphwright.graph.types.dimensions import evaluate, floor_divide, maximum, minimum

N, M = symbol("n"), symbol("m")
LEAVES = st.one_of(st.integers(-4, 6), st.sampled_from([N, M]))


def _combined(children: st.SearchStrategy[Dimension]) -> st.SearchStrategy[Dimension]:
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda p: p[0] + p[1]),
        pairs.map(lambda p: p[0] - p[1]),
        pairs.map(lambda p: p[0] * p[1]),
        pairs.map(lambda p: maximum(*p)),
        pairs.map(lambda p: minimum(*p)),
        st.tuples(children, st.integers(1, 5)).map(lambda p: floor_divide(*p)),
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, _combined, max_leaves=8), st.integers(1, 9), st.integers(1, 9))
def test_written_dimensions_evaluate_to_the_dimension(dimension: Dimension, n: int, m: int) -> None:
    """Sizes are read where only 2 n + 1 and m stand in a shape."""
    x = leaf("Input", "x", TensorType(FLOAT32, (2 * N + 1, M)))
    graph = fx.Graph()
    placeholder = graph.placeholder("x")
    writer = SizeWriter(graph, find_sources([x], []), lambda value: placeholder)
    graph.output(writer.write(dimension))
    module = fx.GraphModule(torch.nn.Module(), graph)
    assert module(torch.zeros(2 * n + 1, m)) == evaluate(dimension, {"n": n, "m": m})
