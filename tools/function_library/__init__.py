"""The library of function programs in specs/functions: its forms, its coefficients, its certificates."""
