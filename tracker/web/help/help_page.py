"""Help: the rules in plain words, whom to ask, how to come in, and what the words mean."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import parseaddr

from fastapi import APIRouter
from fastapi.responses import Response

from tracker.records.applying.applications import Applied, applications_of
from tracker.records.judging.endorsees import endorsements_of
from tracker.records.store.engine import reading
from tracker.web.frame.site import Instant, Site, TheSite
from tracker.web.frame.viewer import AnyViewer
from tracker.web.help.help_words import BookView, view_book

router = APIRouter()


@router.get("/help")
def show(site: TheSite, at: Instant, who: AnyViewer) -> Response:
    """General words for anybody; for an endorsee, those of the own rulebooks first."""
    books: Sequence[BookView] = ()
    applied: Sequence[Applied] = ()
    if who is not None and who.person_id is not None:
        books, applied = _own(site, who.person_id, at)
    return site.pages.show(
        "help.html",
        viewer=who,
        here="help",
        books=books,
        applied=[(a, site.settings.coordinators_of(a.association)) for a in applied],
        sender=parseaddr(site.settings.mail.sender)[1],
    )


def _own(site: Site, person_id: int, at: datetime) -> tuple[Sequence[BookView], Sequence[Applied]]:
    """The rulebooks of a person's endorsements, each once, and the applications not decided."""
    with reading(site.engine) as connection:
        held = endorsements_of(connection, person_id)
        applied = [a for a in applications_of(connection, person_id) if not a.decided]
    known = site.books.associations
    wanted = dict.fromkeys((e.association, e.category) for e in held if e.association in known)
    views = [
        view_book(
            site.books,
            association,
            category,
            site.today(association, at),
            site.settings.coordinators_of(association),
        )
        for association, category in wanted
    ]
    return views, applied
