"""The command line; each command loads its packages only when it runs."""
