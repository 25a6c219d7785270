"""Applications for an endorsement, and their references."""
