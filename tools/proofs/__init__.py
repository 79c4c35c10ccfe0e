"""Proving theories end to end: the pipeline, the checkers of its certificates, what it writes."""
