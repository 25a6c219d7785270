"""Facts read by set-based queries and judged: standings, readiness, when providers qualify."""
