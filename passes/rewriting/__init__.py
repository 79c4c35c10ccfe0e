"""Patterns, rules, the sweep that runs them, and why a rule did not match."""

from .rule import Pair, Procedure, Rule, Site, rules
from .sweep import Counters, Rewritten, RuleIndex, Sweep, rewrite

__all__ = [
    "Counters",
    "Pair",
    "Procedure",
    "Rewritten",
    "Rule",
    "RuleIndex",
    "Site",
    "Sweep",
    "rewrite",
    "rules",
]
