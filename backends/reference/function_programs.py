"""Elementwise, computed as what it stands for: the reference knows no programs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.ir import Graph, Node
from .kernel import Datum, Kernel
from .walk import body_walk


def _elementwise(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    body: Graph = node.attribute("body")
    is_shadow = np.asarray(inputs[0]).dtype != body.inputs[0].tensor.dtype.numpy
    return body_walk(body).run(dict(zip(body.inputs, inputs, strict=True)), is_shadow)


FUNCTION_PROGRAMS: dict[str, Kernel] = {"Elementwise": _elementwise}
