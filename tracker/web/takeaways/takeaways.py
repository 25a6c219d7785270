"""Takeaways: all that a person can carry away, in one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from fastapi import APIRouter
from fastapi.responses import Response

from tracker.records.judging.endorsees import Endorsed, endorsements_of
from tracker.records.judging.evaluation import days_at
from tracker.records.judging.held_cycles import cycles_held
from tracker.records.profile.calendar_feeds import feed_mark
from tracker.records.store.engine import reading
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import NO_RULES
from tracker.rules.providers import say_day
from tracker.transfer import transcript_pdf
from tracker.web.frame.site import Instant, TheSite
from tracker.web.frame.viewer import ThePerson
from tracker.web.frame.words import capital, say_cycle
from tracker.web.takeaways.calendar_feed import feed_address

router = APIRouter()


@dataclass(frozen=True, slots=True)
class CycleLink:
    """A cycle and the address of its transcript (the page's; the files' end in .pdf and .csv)."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Held:
    """An endorsement with its cycles, the newest first; ``why_none`` says why there are none."""

    association: str
    category: str
    category_name: str
    cycles: Sequence[CycleLink]
    why_none: str


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
    today = days_at(books, at)(endorsed.association) if book else None
    cycles = cycles_held(books, endorsed, today) if today else []
    return Held(
        association=endorsed.association,
        category=endorsed.category,
        category_name=known.name if known else endorsed.category,
        cycles=[
            CycleLink(say_cycle(c), f"/transcript/{endorsed.id}/{c.starts_on.isoformat()}")
            for c in cycles
        ],
        why_none="" if cycles else _why_none(books, endorsed, today),
    )


def _why_none(books: Rulebooks, endorsed: Endorsed, today: date | None) -> str:
    """Why an endorsement has no cycle; ``today`` is None where its association has no rulebook."""
    if today is None:
        return f"There is no rulebook for {endorsed.association} here"
    if endorsed.starts_on > today:
        return f"It begins on {say_day(endorsed.starts_on)}, and its first cycle with it"
    if not books.associations[endorsed.association].requirements_of(endorsed.category):
        return capital(NO_RULES)
    return "The rulebook knows no renewal cycle for today"
