"""The immutable, interned, typed graph: Node, Value, Graph, Program, Weights."""

from .graph import Graph, bodies, collector_paused, consumers, substitute, topological
from .node import Node, Value, apply, apply_all, argument, constant, leaf, make_node, rebuild
from .program import Assumption, Domain, Origin, Program, Size, Weights

__all__ = [
    "Assumption",
    "Domain",
    "Graph",
    "Node",
    "Origin",
    "Program",
    "Size",
    "Value",
    "Weights",
    "apply",
    "apply_all",
    "argument",
    "bodies",
    "collector_paused",
    "constant",
    "consumers",
    "leaf",
    "make_node",
    "rebuild",
    "substitute",
    "topological",
]
