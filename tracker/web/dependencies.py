"""Where a link or form may send a browser afterwards: to pages of ours and nowhere else."""

import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from fastapi import BackgroundTasks, Depends, HTTPException, Request
from sqlalchemy import Engine
from sqlmodel import Session
from starlette.background import BackgroundTask

from tracker.db.engine import reading
from tracker.db.write_lock import Busy
from tracker.db.writer import Writer
from tracker.jobs.health_metrics import Vitals
from tracker.mail.compose import Composer
from tracker.rulebooks import Rulebooks
from tracker.services.browser_sessions import Owner, SignedIn, keep_seen, signed_in, was_seen_today
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import days_at
from tracker.services.reader import Reader
from tracker.settings import Settings
from tracker.web.background import BackgroundWork, Readiness, SingleFlight
from tracker.web.rendering import Pages

T = TypeVar("T")
_FIRST_PAGE = "/"
_LONGEST = 2000


def safe_path(wanted: str) -> str:
    """A path of ours (with its query) that somebody wanted to go to; "/" for anything else.

    It has to be one as it stands, and still be one when some program on the way has decoded it
    once more, or has taken a letter that only looks like a slash for one.
    """
    if len(wanted) > _LONGEST or not wanted.isascii():
        return _FIRST_PAGE
    decoded = unquote(wanted)
    readings = (wanted, decoded, unicodedata.normalize("NFKC", decoded))
    return wanted if all(map(_is_own, readings)) else _FIRST_PAGE


def _is_own(path: str) -> bool:
    # Browsers read a backslash as a slash, and leave out tabs and line breaks.
    if not path.isprintable() or "\\" in path or "//" in path or not path.startswith("/"):
        return False
    try:
        parts = urlsplit(path)
    except ValueError:
        return False
    return not (parts.scheme or parts.netloc)


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
    rulebooks: Rulebooks
    composer: Composer
    pages: Pages
    background: BackgroundWork
    readiness: Readiness
    vitals: SingleFlight[Vitals]
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
        return days_at(self.rulebooks, at)(association)

    def write(self, viewer: "Viewer", now: datetime, work: Callable[[ServiceContext], T]) -> T:
        """Return what ``work`` returns, once all that it wrote for ``viewer`` is committed.

        If it raises, nothing is saved. Raises Busy as `Writer.run`, which says more.
        """
        return self.writer.run(
            lambda session: work(ServiceContext(session, self.rulebooks, viewer.actor, now))
        )


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


# These are asynchronous only so that no thread is asked for what takes no time.
async def the_site(request: Request) -> Site:
    """The same, for whoever depends on it."""
    return site_of(request)


SiteDep = Annotated[Site, Depends(the_site)]


async def instant(site: SiteDep) -> datetime:
    """The instant of a request, aware: read once, so that its parts agree on the day."""
    return site.now()


NowDep = Annotated[datetime, Depends(instant)]


class SignInNeeded(Exception):  # noqa: N818 - reads as the sentence it prints
    """The page is for people who have signed in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody signed in. Every query is scoped to ``person_id`` or to ``coordinates``.

    ``person_id`` is None for a coordinator who is not among the people; ``coordinates`` are
    associations. ``provides_rsc``: they may log sessions for those whom they supervise.
    ``mail_comes_back``: to the person's first address.
    """

    email: str
    name: str
    person_id: int | None
    is_endorsed: bool
    has_applied: bool
    coordinates: tuple[str, ...]
    provides_rsc: bool = False
    mail_comes_back: bool = False

    @property
    def owner(self) -> Owner:
        """Whose sessions this one belongs to."""
        return Owner(self.person_id, self.email)

    @property
    def actor(self) -> Actor:
        """The viewer as the services know who acts."""
        return Actor(self.email, self.person_id, self.coordinates)

    @property
    def logs_hours(self) -> bool:
        """Whether there is something that hours of theirs can count for."""
        return self.is_endorsed or self.has_applied


async def maybe_viewer(
    request: Request, site: SiteDep, at: NowDep, later: BackgroundTasks
) -> Viewer | None:
    """Who is signed in; None for anybody else. It is remembered that their browser was here."""
    token = request.cookies.get(site.cookie_name)
    if not token:
        return None
    browser_session = await site.reader.answer(lambda session: signed_in(session, token, at))
    if browser_session is None:
        return None
    if not was_seen_today(browser_session, at):
        # Written after the page is sent.
        later.add_task(_keep_seen, site, token, at)
    return _viewer_of(site, browser_session)


async def is_signed_in(site: Site, request: Request) -> bool:
    """Whether a session that is still good sends a request; nothing is remembered."""
    token, at = request.cookies.get(site.cookie_name), site.now()
    if not token:
        return False
    return await site.reader.answer(lambda c: signed_in(c, token, at)) is not None


def viewer_of_request(request: Request, site: Site, at: datetime) -> Viewer | None:
    """The same for whoever answers a request outside its endpoint, and nothing is remembered."""
    browser_session = _session_of(request, site, at)
    return _viewer_of(site, browser_session) if browser_session else None


def viewer_in_session(
    session: Session, request: Request, site: Site, at: datetime
) -> Viewer | None:
    """The same in the transaction that saves what they sent, and remembered in it."""
    token = request.cookies.get(site.cookie_name)
    browser_session = signed_in(session, token, at) if token else None
    if token is None or browser_session is None:
        return None
    if not was_seen_today(browser_session, at):
        keep_seen(session, token, at)
    return _viewer_of(site, browser_session)


class Looked(NamedTuple):
    """Who was found in a transaction that reads, and what to do once they are answered."""

    viewer: Viewer
    later: BackgroundTask | None


def look_within(session: Session, request: Request, site: Site, at: datetime) -> Looked:
    """The same in a transaction that reads; whoever has not signed in raises SignInNeeded."""
    token = request.cookies.get(site.cookie_name)
    browser_session = signed_in(session, token, at) if token else None
    found = _viewer_of(site, browser_session) if browser_session else None
    if token is None or browser_session is None or found is None:
        raise SignInNeeded
    seen = was_seen_today(browser_session, at)
    return Looked(found, None if seen else BackgroundTask(_keep_seen, site, token, at))


def _session_of(request: Request, site: Site, at: datetime) -> SignedIn | None:
    token = request.cookies.get(site.cookie_name)
    if not token:
        return None
    with reading(site.engine) as session:
        return signed_in(session, token, at)


def _keep_seen(site: Site, token: str, at: datetime) -> None:
    # The next page remembers it.
    with suppress(Busy):
        site.writer.run(lambda session: keep_seen(session, token, at))


def _viewer_of(site: Site, browser_session: SignedIn) -> Viewer | None:
    # Only by the very address: a second one is written by whoever imports people.
    roles = [c for c in site.settings.coordinators if c.email == browser_session.email]
    if browser_session.person_id is None and not roles:
        # The address is nobody's, or nobody's any more.
        return None
    known = tuple(dict.fromkeys(c.association for c in roles))
    return Viewer(
        email=browser_session.email,
        name=browser_session.name or roles[0].name,
        person_id=browser_session.person_id,
        is_endorsed=browser_session.is_endorsed,
        has_applied=browser_session.has_applied,
        coordinates=tuple(name for name in known if name in site.rulebooks.associations),
        provides_rsc=browser_session.provides_rsc,
        mail_comes_back=browser_session.mail_comes_back,
    )


async def viewer(found: Annotated[Viewer | None, Depends(maybe_viewer)]) -> Viewer:
    """Who is signed in; anybody else is sent to sign in first."""
    if found is None:
        raise SignInNeeded
    return found


OptionalViewerDep = Annotated[Viewer | None, Depends(maybe_viewer)]
ViewerDep = Annotated[Viewer, Depends(viewer)]


@dataclass(frozen=True, slots=True)
class Person:
    """A viewer who is among the people, so that they may log hours."""

    id: int
    viewer: Viewer


async def person(who: ViewerDep) -> Person:
    """The signed-in person; for anybody else the page is not there."""
    if who.person_id is None:
        raise HTTPException(404)
    return Person(who.person_id, who)


PersonDep = Annotated[Person, Depends(person)]


async def provider(who: PersonDep) -> Person:
    """The signed-in provider of RSC; for anybody else the page is not there."""
    if not who.viewer.provides_rsc:
        raise HTTPException(404)
    return who


async def coordinator(who: ViewerDep) -> Viewer:
    """The signed-in coordinator; for anybody else the page is not there."""
    if not who.coordinates:
        raise HTTPException(404)
    return who


ProviderDep = Annotated[Person, Depends(provider)]
CoordinatorDep = Annotated[Viewer, Depends(coordinator)]
