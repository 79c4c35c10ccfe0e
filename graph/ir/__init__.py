"""The immutable, interned, typed graph: Node, Value, Graph, Program, Weights."""

from .diff import Difference, diff
from .digest import Digests, graph_digest, program_digest
from .graph import (
    Graph,
    bodies,
    collector_paused,
    consumers,
    needed_nodes,
    nested_graphs,
    substitute,
    topological,
)
from .legality import Level, Violation, check
from .node import Node, Value, apply, apply_all, argument, constant, leaf, make_node, rebuild
from .parsing import parse_graph, parse_program
from .printing import print_graph, print_program
from .program import DOMAIN_KINDS, Assumption, Domain, Origin, Program, Size, Weights
from .statistics import Statistics, statistics

__all__ = [
    "DOMAIN_KINDS",
    "Assumption",
    "Difference",
    "Digests",
    "Domain",
    "Graph",
    "Level",
    "Node",
    "Origin",
    "Program",
    "Size",
    "Statistics",
    "Value",
    "Violation",
    "Weights",
    "apply",
    "apply_all",
    "argument",
    "bodies",
    "check",
    "collector_paused",
    "constant",
    "consumers",
    "diff",
    "graph_digest",
    "leaf",
    "make_node",
    "needed_nodes",
    "nested_graphs",
    "parse_graph",
    "parse_program",
    "print_graph",
    "print_program",
    "program_digest",
    "rebuild",
    "statistics",
    "substitute",
    "topological",
]
