"""Searches that people start: their journals, and the files that they leave."""
