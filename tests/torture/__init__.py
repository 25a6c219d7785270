"""Every promise, tried with its own faults, in one table."""
