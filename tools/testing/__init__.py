"""Running the tests that specs carry, and generators of random specs and graphs."""
