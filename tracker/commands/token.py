"""`tracker token`: what programs of an association sign in with at the JSON API."""

import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tracker import clock
from tracker.commands.opening import opened
from tracker.commands.selecting import Unknown, check_association
from tracker.records.api.api_tokens import SCOPES, list_tokens, make_token, revoke_token
from tracker.records.store.engine import reading, writing

_LONGEST_NAME = 100


def make(association: str, name: str, scopes: Sequence[str], expires: date | None) -> None:
    """Make a token and print it: the only time that it is seen. ``expires`` is its last day."""
    wrong = [scope for scope in scopes if scope not in SCOPES]
    if wrong or not scopes:
        message = f"no scope is called {wrong[0]!r}" if wrong else "name at least one scope"
        raise Unknown(f"{message}: there are {', '.join(SCOPES)}")
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        raise Unknown(f"a name of 1 to {_LONGEST_NAME} letters, that says which program it is for")
    with opened() as tracker:
        check_association(tracker, association)
        zone = tracker.books.associations[association].time_zone
        with writing(tracker.engine) as connection:
            number, secret = make_token(
                connection,
                association=association,
                name=name,
                scopes=scopes,
                now=clock.now(),
                expires_at=_end_of(expires, zone) if expires else None,
            )
    sys.stderr.write(f"Token {number} of {association} for {name}. It is shown only now:\n")
    sys.stdout.write(f"{secret}\n")


def show() -> None:
    """List the tokens; none of them can be read again."""
    with opened() as tracker, reading(tracker.engine) as connection:
        found = list_tokens(connection, clock.now())
    if not found:
        Console().print("No token yet: `tracker token make` makes one.")
        return
    table = Table("Id", "Association", "For", "May", "Made", "Last used", "State")
    for one in found:
        table.add_row(
            str(one.id),
            one.association,
            escape(one.name),
            one.scopes.replace(" ", "\n"),
            one.created_at.date().isoformat(),
            one.last_used_on.isoformat() if one.last_used_on else "never",
            one.state,
        )
    Console().print(table)


def revoke(token_id: int) -> None:
    """Void a token at once."""
    with opened() as tracker, writing(tracker.engine) as connection:
        if not revoke_token(connection, token_id, clock.now()):
            raise Unknown(f"no token has the id {token_id}: `tracker token list` shows them")
    sys.stdout.write(f"Token {token_id} is revoked.\n")


def _end_of(day: date, zone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
