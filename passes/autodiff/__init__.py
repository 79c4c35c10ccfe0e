"""Resolving grad(...) nodes into plain graphs."""
