"""The rules: dated data and pure functions; no I/O, no clock, nothing else of ours but hours."""
