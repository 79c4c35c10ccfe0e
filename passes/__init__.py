"""Transforming the IR under contracts."""
