"""Generating the reference pages from the tables."""
