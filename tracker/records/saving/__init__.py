"""Where pages write: one after the other, several savings in one transaction."""
