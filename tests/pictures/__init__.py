"""Photographs every page, to be looked at: `make pictures`, or `python -m tests.pictures OUT`."""
