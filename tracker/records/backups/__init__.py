"""Copies of a whole installation, made and put back."""
