"""`tracker run-due`, which usually finds nothing to do, and must find that out quickly.

A timer calls it every few minutes. So it reads the run ledger by the driver alone first, and
imports the jobs, and what they need, only if one is due or that question can't be answered.
"""

import sys
from datetime import datetime
from typing import Any

from tracker import clock
from tracker.database_urls import find_sqlite_file
from tracker.db.run_state import RunState, read_run_state
from tracker.db.schema_versions import newest_version
from tracker.jobs.schedule import list_ahead, list_due
from tracker.rulebooks import check_own_settings, load_notice_configs, load_rulebooks
from tracker.settings import load_settings

_POSTGRESQL = "postgresql+psycopg://"
# In seconds, as in `tracker.db.engine`.
_TIMEOUT = 10


def run(as_of: datetime | None, *, dry_run: bool) -> None:
    """Run what is due, and print a line for each job; a dry run undoes everything.

    Errors in the configuration are found even if nothing is due. Exit code 1 if a job failed.
    """
    settings = load_settings()
    rulebooks = load_rulebooks(settings.config_dir)
    check_own_settings(settings, rulebooks.associations)
    load_notice_configs(settings.config_dir, rulebooks.associations)
    state = _read_state(settings.database_url.get_secret_value())
    now = as_of or clock.now()
    if state:
        is_idle = not any(list_due(settings, rulebooks.associations, *state, now))
        if is_idle:
            sys.stdout.write("Nothing is due.\n")
        ahead = [day for *_, day in list_ahead(rulebooks.associations, state.last_dates, now)]
        if ahead:
            sys.stdout.write(
                f"Jobs are recorded for later days, up to {max(ahead)}, and do not run before: "
                "see `tracker check`.\n"
            )
        if is_idle:
            return
    from tracker.cli import jobs

    jobs.run(as_of, dry_run=dry_run)


def _read_state(url: str) -> RunState | None:
    """The run ledger; None if the database can't be read in this way, for whatever reason.

    The jobs open it in their own way, and explain what is wrong with it.
    """
    if url.startswith(_POSTGRESQL):
        return _read_postgresql(url)
    file = find_sqlite_file(url)
    return _read_sqlite(f"{file.absolute().as_uri()}?mode=rw") if file and "?" not in url else None


def _read_sqlite(uri: str) -> RunState | None:
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT)) as connection:
            return read_run_state(connection, newest_version())
    except sqlite3.Error:
        return None


def _read_postgresql(url: str) -> RunState | None:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        # SQLAlchemy's URLs are libpq's, but for the name of the driver.
        given = conninfo_to_dict(f"postgresql://{url.removeprefix(_POSTGRESQL)}")
        parameters: dict[str, Any] = {"connect_timeout": _TIMEOUT, **given}
        with psycopg.connect(**parameters) as connection:
            return read_run_state(connection, newest_version())
    except psycopg.Error:
        return None
