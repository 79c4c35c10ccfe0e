"""Certified function programs in place of operators, within an error budget for the outputs."""

from .substitute import SubstituteFunctions, Target

__all__ = ["SubstituteFunctions", "Target"]
