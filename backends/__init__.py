"""Executing and emitting the IR."""
