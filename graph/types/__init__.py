"""Dtypes, dimension arithmetic and the types of values."""
