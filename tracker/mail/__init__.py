"""Mail: composed from templates, kept in the outbox, delivered over SMTP."""
