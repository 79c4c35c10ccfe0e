"""Dependency order of nodes that a model lists out of order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx


def in_order(nodes: Sequence[onnx.NodeProto]) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The nodes, each after those whose results it reads (also in its bodies), and the nodes that
    are on a cycle or behind one. Linear."""
    maker = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    needs = [{maker[name] for name in set(_reads(node)) if name in maker} for node in nodes]
    users: list[list[int]] = [[] for _ in nodes]
    for i, needed in enumerate(needs):
        for j in needed:
            users[j].append(i)
    waiting = [len(needed) for needed in needs]
    ready = [i for i, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        ready.reverse()
        following: list[int] = []
        while ready:
            i = ready.pop()
            order.append(i)
            for j in users[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    following.append(j)
        ready = following
    left = set(range(len(nodes))).difference(order)
    return [nodes[i] for i in order], [nodes[i] for i in sorted(left)]


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """The names that a node reads, those of its bodies included (a body's own names do no harm)."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield from current.input
        for attribute in current.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                stack.extend(attribute.g.node)
                yield from (o.name for o in attribute.g.output)
