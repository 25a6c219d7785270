"""Sessions that a provider logs for several supervisees."""
