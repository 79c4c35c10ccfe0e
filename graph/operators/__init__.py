"""One declaration an operator, in the standard's groups."""
