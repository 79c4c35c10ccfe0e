"""What a spec means: diagnostics, types, operators, the IR, the language. No torch, no runtime."""
