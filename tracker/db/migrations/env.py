"""Runs the migrations on the connection that `tracker.db.migrate.upgrading` opened."""

from alembic import context

from tracker.db.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    # SQLite alters a table by making it anew.
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
