"""Sessions that a provider logs for others, and what these answer."""
