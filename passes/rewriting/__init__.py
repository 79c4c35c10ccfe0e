"""Patterns, the sweep, replacement maps, why-not explanations."""
