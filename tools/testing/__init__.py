"""Running the tests that specs carry."""
