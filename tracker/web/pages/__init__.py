"""Logging hours: the form, its files, and saving them."""
