"""Help: the rules in plain words."""
