"""Files that prove entries, what days are closed to, and what coordinators see of entries."""
