"""Exact clean-ups: folding, identities, dead code, batch-norm folding, hoisting."""
