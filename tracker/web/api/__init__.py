"""`/api/v1`: standings and entries for programs of an association."""
