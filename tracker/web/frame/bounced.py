"""That mail to a person's first address came back: what their pages say of it."""

from typing import NamedTuple

from sqlalchemy import Connection

from tracker.records.profile.profile import profile_of
from tracker.rulebooks import Rulebooks
from tracker.web.frame.own_time import say_instant, zone_of
from tracker.web.frame.viewer import Viewer


class Bounced(NamedTuple):
    """The first address, the second (None: there is none), and since when, in words."""

    email: str
    second_email: str | None
    since: str


def bounced_of(connection: Connection, books: Rulebooks, who: Viewer) -> Bounced | None:
    """What to say; None while the first address takes mail."""
    if who.person_id is None or not who.mail_comes_back:
        return None
    profile = profile_of(connection, who.person_id)
    if profile.email_refused_at is None:
        return None
    since = say_instant(profile.email_refused_at, zone_of(connection, books, who.person_id))
    return Bounced(profile.email, profile.second_email, since)
