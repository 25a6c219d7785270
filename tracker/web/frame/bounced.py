"""That mail to a person's first address came back: what their pages say of it."""

from typing import NamedTuple

from sqlalchemy import Connection

from tracker.records.profile import is_refused, profile_of
from tracker.rulebooks import Rulebooks
from tracker.web.frame.own_time import say_instant, zone_of


class Bounced(NamedTuple):
    """The first address, the second (None: there is none), and since when, in words."""

    email: str
    second_email: str | None
    since: str


def bounced_of(connection: Connection, books: Rulebooks, person_id: int) -> Bounced | None:
    """What to say; None while the first address takes mail."""
    # Asked for every page; of hardly anybody there is more to read.
    if not is_refused(connection, person_id):
        return None
    profile = profile_of(connection, person_id)
    if profile.email_refused_at is None:
        return None
    since = say_instant(profile.email_refused_at, zone_of(connection, books, person_id))
    return Bounced(profile.email, profile.second_email, since)
