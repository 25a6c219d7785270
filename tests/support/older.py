"""Databases as older versions of the program left them."""

from pathlib import Path

from alembic import command
from alembic.config import Config

import tracker
from tracker.db.engine import open_engine

_MIGRATIONS = Path(tracker.__file__).parent / "db" / "migrations"


def migrate_to(url: str, version: str) -> None:
    """Bring an empty or older database to the schema of one version."""
    configuration = Config()
    configuration.set_main_option("script_location", str(_MIGRATIONS))
    engine = open_engine(url)
    with engine.connect() as connection:
        configuration.attributes["connection"] = connection.execution_options(writes=True)
        command.upgrade(configuration, version)
    engine.dispose()
