"""`tracker migrate`: the database brought to this program's schema."""

import sys
from pathlib import Path

from sqlalchemy.engine import make_url

from tracker.records.store.engine import migrate, newest_version, schema_version
from tracker.settings import load_settings


def run() -> None:
    """Migrate, and say from which version to which. Run it again, and it changes nothing."""
    url = load_settings().database_url.get_secret_value()
    shown = make_url(url).render_as_string(hide_password=True)
    _make_folder(url)
    # Before anything is written: tables of another program are refused here.
    before = schema_version(url)
    if before == newest_version():
        sys.stdout.write(f"{shown} has schema {before} already: nothing to do.\n")
        return
    migrate(url)
    was = f"from schema {before}" if before else "from empty"
    sys.stdout.write(f"{shown} was brought {was} to schema {newest_version()}.\n")


def _make_folder(url: str) -> None:
    address = make_url(url)
    if address.get_backend_name() == "sqlite" and address.database not in {None, "", ":memory:"}:
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
