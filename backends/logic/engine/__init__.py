"""The engine: from a theory to theorems with proofs. What it finds counts only once the kernel agrees."""
