"""Failures in words: what went wrong with settings, files and databases, and what to do."""
