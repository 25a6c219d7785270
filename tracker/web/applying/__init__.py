"""Applications: the checklist, and references."""
