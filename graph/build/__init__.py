"""Records to IR: scopes, functions, control flow, slots, noise, state, variants."""
