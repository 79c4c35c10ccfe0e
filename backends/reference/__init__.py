"""NumPy evaluation of single operators: constant folding and an independent check."""
