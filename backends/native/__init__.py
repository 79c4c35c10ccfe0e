"""Elementwise programs printed as C, compiled by the system's compiler, run on arrays and tensors."""
