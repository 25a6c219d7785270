"""Mutation testing: whether the tests of the rules can fail."""
