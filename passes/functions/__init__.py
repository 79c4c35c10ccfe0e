"""Function programs: straight-line programs of few operations that stand for a function, searched for,
fitted, certified and substituted."""
