"""Signing in, by a link and code."""
