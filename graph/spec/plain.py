"""YAML nodes as plain data."""

from __future__ import annotations

from .core_scalars import core_value
from .yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence


def plain_value(node: YamlNode) -> object:
    """A node as plain data: core scalars, lists, dictionaries."""
    if isinstance(node, YamlScalar):
        return core_value(node)
    if isinstance(node, YamlSequence):
        return [plain_value(item) for item in node.items]
    assert isinstance(node, YamlMapping)
    return {key.text: plain_value(value) for key, value in node.entries}
