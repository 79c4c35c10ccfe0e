"""Logic Blocks: the engine that proves theorems of a theory, its certificates, and the kernel."""
