"""Repeated blocks of a program, found and written once."""
