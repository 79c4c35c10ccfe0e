"""One declaration an operator: signature, type rule, known-value rule, traits."""

from .attributes import Attribute, make_attribute
from .operator import AttributeSpec, Call, Formal, Known, Operator, RuleError
from .table import operator, operator_names

__all__ = [
    "Attribute",
    "AttributeSpec",
    "Call",
    "Formal",
    "Known",
    "Operator",
    "RuleError",
    "make_attribute",
    "operator",
    "operator_names",
]
