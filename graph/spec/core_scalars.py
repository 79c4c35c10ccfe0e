"""What a plain scalar is under the YAML 1.2 core schema (section 10.3.2 of the standard).

So `no` and `on` are text, `1e-5` is a float, and there is no octal or sexagesimal: `010`, `0o7` and
`1:30` stay text.
"""

from __future__ import annotations

import math
import re

from .yaml_nodes import YamlScalar

_NULL = frozenset(("", "~", "null", "Null", "NULL", "None"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+\Z")
_FLOAT = re.compile(r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)\Z")
_INFINITE = re.compile(r"[-+]?\.?(?:inf|Inf|INF)\Z")
_NAN = frozenset((".nan", ".NaN", ".NAN"))

CoreValue = None | bool | int | float | str


def core_value(scalar: YamlScalar) -> CoreValue:
    """The value of a scalar; quoted and block scalars are text, tags decide for themselves."""
    if scalar.tag == "str" or (scalar.tag is None and scalar.style):
        return scalar.text
    return core_text(scalar.text)


def has_leading_zero(scalar: YamlScalar) -> bool:
    """Written like an octal number (`010`), which YAML 1.1 reads as 8 and YAML 1.2 as 10."""
    return not scalar.style and _LEADING_ZERO.match(scalar.text) is not None


def core_text(text: str) -> CoreValue:
    """The value of a plain (unquoted) scalar's text."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.match(text) and len(text) <= 400:
        return int(text) if len(text) <= 20 else float(text)
    if _FLOAT.match(text) and len(text) <= 400:
        return float(text)
    if _INFINITE.match(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if text in _NAN else text
