"""Logged entries: read, written, compared with what is logged already."""
