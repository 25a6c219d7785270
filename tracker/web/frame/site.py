"""What every request works with, and the dependencies that hand it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine

from tracker.mail.compose import Composer
from tracker.records.judging.evaluation import days_at
from tracker.records.mailing.vitals import Vitals
from tracker.records.saving.writer import Writer
from tracker.records.store.reader import Reader
from tracker.rulebooks import Rulebooks
from tracker.settings import Settings
from tracker.web.frame.later import Later
from tracker.web.frame.one_look import OneLook
from tracker.web.frame.pages import Pages
from tracker.web.frame.readiness import Readiness


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """Somebody whom the demo opens with one click; ``what`` says what there is to see."""

    email: str
    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Site:
    """The parts that `build_app` put together; ``now`` reads the clock, once a request.

    Pages read with ``reading(site.engine)``, those that many ask for with ``site.reader``; they
    write with ``site.writer.run``.
    """

    settings: Settings
    engine: Engine
    reader: Reader
    writer: Writer
    books: Rulebooks
    composer: Composer
    pages: Pages
    later: Later
    readiness: Readiness
    vitals: OneLook[Vitals]
    demo_people: Sequence[DemoLogin]
    now: Callable[[], datetime]

    @property
    def is_https(self) -> bool:
        """Whether people reach the site over TLS, so that cookies may insist on it."""
        return self.settings.base_url.startswith("https://")

    @property
    def cookie_name(self) -> str:
        """The session cookie's name."""
        return self.own_cookie("session")

    def own_cookie(self, name: str) -> str:
        """What a cookie for all pages is called; browsers hold ``__Host-`` to this host and TLS."""
        return f"__Host-{name}" if self.is_https else name

    def today(self, association: str, at: datetime) -> date:
        """The legal day at an association at the instant ``at``."""
        return days_at(self.books, at)(association)


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


# These are asynchronous only so that no thread is asked for what takes no time.
async def the_site(request: Request) -> Site:
    """The same, for whoever depends on it."""
    return site_of(request)


TheSite = Annotated[Site, Depends(the_site)]


async def instant(site: TheSite) -> datetime:
    """The instant of a request, aware: read once, so that its parts agree on the day."""
    return site.now()


Instant = Annotated[datetime, Depends(instant)]
