"""The immutable, interned, typed graph: Node, Value, Graph, Program, Weights."""
