"""What a person's providers held on the days of the sessions with them, as Why shows it to them.

By name alone: the addresses of providers are theirs to give.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection

from tracker.records.entries.entries import entries_of
from tracker.records.judging.providers import load_providers
from tracker.rules.providers import Credential, Provider
from tracker.transfer.safe_csv import csv_lines

COLUMNS = ("provider_name", "association", "held", "starts_on", "ends_on")
_VETTED = "vetted"


def providers_csv(connection: Connection, person_id: int) -> Iterator[bytes]:
    """One row for each endorsement or vetting of a provider that held on such a day.

    Both ends are included; without an end the last cell is empty.
    """
    days: defaultdict[int, set[date]] = defaultdict(set)
    for entry in entries_of(connection, person_id, date.min, date.max):
        if entry.provider_id:
            days[entry.provider_id].add(entry.held_on)
    known = load_providers(connection, set(days))
    rows = {row for one, on in days.items() for row in _rows(known[one], on)}
    return csv_lines(COLUMNS, sorted(rows))


def _rows(provider: Provider, days: set[date]) -> Iterator[tuple[str, ...]]:
    for held in provider.credentials:
        if any(_holds(held, day) for day in days):
            ends = held.ends_on.isoformat() if held.ends_on else ""
            what = held.category or _VETTED
            yield provider.name, held.association, what, held.starts_on.isoformat(), ends


def _holds(held: Credential, day: date) -> bool:
    return held.starts_on <= day <= (held.ends_on or date.max)
