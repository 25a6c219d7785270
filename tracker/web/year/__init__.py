"""My year: every renewal, what lies ahead, and what each entry counts for."""
