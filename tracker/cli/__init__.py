"""The command line, a file a verb; each loads its packages only when it runs."""
