"""Quantization: a scheme is levels plus a scale layout, and how to find both."""
