"""Certificates of function programs: bounds of their error that a machine proves, and checks again."""
