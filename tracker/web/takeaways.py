"""Takeaways: all that a person can carry away, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import Response

from tracker.records.calendar_feeds import feed_mark
from tracker.records.endorsees import Endorsed, endorsements_of
from tracker.records.engine import reading
from tracker.records.evaluation import days_at
from tracker.records.held_cycles import cycles_held
from tracker.rulebooks import Rulebooks
from tracker.transfer import transcript_pdf
from tracker.web.calendar_feed import feed_address
from tracker.web.site import Instant, TheSite
from tracker.web.viewer import ThePerson
from tracker.web.words import say_cycle

router = APIRouter()


@dataclass(frozen=True, slots=True)
class CycleLink:
    """A cycle and the address of its transcript (the page's; the files' end in .pdf and .csv)."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Held:
    """An endorsement with its cycles, the newest first."""

    association: str
    category: str
    category_name: str
    cycles: Sequence[CycleLink]


@router.get("/takeaways")
def show(site: TheSite, at: Instant, who: ThePerson) -> Response:
    """What there is to take away."""
    with reading(site.engine) as connection:
        endorsements = endorsements_of(connection, who.id)
        address = feed_address(connection, site, who.id)
        mark = feed_mark(connection, who.id)
    page = site.pages.show(
        "takeaways.html",
        viewer=who.viewer,
        here="takeaways",
        held=[_held(site.books, each, at) for each in endorsements],
        has_pdf=transcript_pdf.AVAILABLE,
        calendar=address,
        # What programs for calendars open by themselves.
        subscribe=address and f"webcal://{address.partition('://')[2]}",
        calendar_mark=mark,
    )
    # The address is a secret: packed, its length could tell of it.
    page.headers["cache-control"] = "no-store, no-transform"
    return page


def _held(books: Rulebooks, endorsed: Endorsed, at: datetime) -> Held:
    book = books.associations.get(endorsed.association)
    known = book.categories.get(endorsed.category) if book else None
    cycles = cycles_held(books, endorsed, days_at(books, at)(endorsed.association)) if book else []
    return Held(
        association=endorsed.association,
        category=endorsed.category,
        category_name=known.name if known else endorsed.category,
        cycles=[
            CycleLink(say_cycle(c), f"/transcript/{endorsed.id}/{c.starts_on.isoformat()}")
            for c in cycles
        ],
    )
