"""Databases as older versions of the program left them."""

from tracker.db.engine import open_engine, upgrade


def migrate_to(url: str, version: str) -> None:
    """Bring an empty or older database to the schema of one version."""
    engine = open_engine(url)
    with engine.connect() as connection:
        upgrade(connection, version)
    engine.dispose()
