"""Passes over theories: conjecture, filter, prove, compress."""
