"""What pages depend on: the site, the request's time, and who is signed in."""

import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, TypeVar
from urllib.parse import unquote

from fastapi import BackgroundTasks, Depends, Request
from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import Busy, reading
from tracker.db.reader import Reader
from tracker.db.writer import Writer
from tracker.formatting import DEFAULT_LOCALE, set_locale
from tracker.jobs.health_metrics import HealthMetrics
from tracker.mail.compose import Composer
from tracker.rulebooks import Rulebooks
from tracker.services.browser_sessions import (
    SessionUser,
    get_session_user,
    has_recent_visit,
    record_visit,
)
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import days_at
from tracker.services.security_events import Client
from tracker.services.sign_in import client_network
from tracker.settings import Coordinator, Settings
from tracker.web.background import BackgroundWork, Readiness, SingleFlight
from tracker.web.rendering import Pages
from tracker.web.request_ids import current_request_id

T = TypeVar("T")
_FIRST_PAGE = "/"
_LONGEST_PATH = 2000


def safe_path(path: str) -> str:
    """``path`` (with its query) if a redirect to it stays on our site, else "/".

    It must be safe as given, after one more decoding on the way, and after lookalikes of slashes
    have become slashes. Browsers read a backslash as a slash and skip tabs and line breaks.
    """
    if len(path) > _LONGEST_PATH or not path.isascii():
        return _FIRST_PAGE
    decoded = unquote(path)
    for text in (path, decoded, unicodedata.normalize("NFKC", decoded)):
        is_absolute = text.startswith("/") and "//" not in text and "\\" not in text
        if not is_absolute or not text.isprintable():
            return _FIRST_PAGE
    return path


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """A person whose pages the demo opens with one click; ``what`` is what there is to see."""

    email: str
    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of the site that `build_app` puts together.

    Pages read with ``reading(site.engine)``, the busiest with ``site.reader``; everything that
    writes uses ``site.writer``. ``now`` reads the clock, once for each request. ``is_https``:
    people reach the site over TLS, so that cookies may require it.
    """

    settings: Settings
    is_https: bool
    engine: Engine
    reader: Reader
    writer: Writer
    rulebooks: Rulebooks
    composer: Composer
    pages: Pages
    background: BackgroundWork
    readiness: Readiness
    vitals: SingleFlight[HealthMetrics]
    demo_people: Sequence[DemoLogin]
    now: Callable[[], datetime]

    def own_cookie(self, name: str = "session") -> str:
        """The full name of a cookie for all pages; ``__Host-`` binds it to this host and TLS."""
        return f"__Host-{name}" if self.is_https else name

    def today(self, association: str, now: datetime) -> date:
        """The legal day at an association at the instant ``now``."""
        return days_at(self.rulebooks, now)(association)

    def write(self, actor: Actor, now: datetime, work: Callable[[ServiceContext], T]) -> T:
        """Return what ``work`` returns, once everything it wrote for the actor is committed.

        If it raises, nothing is saved. Raises Busy like `Writer.run`.
        """
        return self.writer.run(
            lambda session: work(ServiceContext(session, self.rulebooks, actor, now))
        )


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


# Asynchronous so that FastAPI does not start a thread for them.
async def get_site(request: Request) -> Site:
    """The site, as a dependency of FastAPI."""
    return site_of(request)


SiteDep = Annotated[Site, Depends(get_site)]


def client_of(request: Request) -> Client:
    """Where a request comes from; behind a trusted proxy, uvicorn has put in the visitor's own."""
    network = client_network(request.client.host) if request.client else ""
    return Client(network, current_request_id())


async def get_now(site: SiteDep) -> datetime:
    """The aware instant of a request, read once so that all its parts agree on the day."""
    return site.now()


NowDep = Annotated[datetime, Depends(get_now)]


class SignInNeeded(Exception):  # noqa: N818 - reads as the sentence it prints
    """The page is for people who have signed in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person or coordinator who is signed in.

    Every query is limited to ``person_id`` or to the associations in ``coordinates``.
    ``person_id`` is None for a coordinator who is not a person in the database, and for someone new
    who may apply. ``mail_comes_back``: mail to the person's first address bounces.
    ``confirmed_at``: when a code was last entered in this browser.
    """

    email: str
    name: str
    person_id: int | None
    is_endorsed: bool
    has_applied: bool
    coordinates: tuple[str, ...]
    provides_rsc: bool = False
    mail_comes_back: bool = False
    confirmed_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """The viewer as the actor of a service."""
        return Actor(self.email, self.person_id, self.coordinates)

    @property
    def logs_hours(self) -> bool:
        """Whether the viewer has an endorsement or application that hours can count for."""
        return self.is_endorsed or self.has_applied


async def find_viewer(
    request: Request, site: SiteDep, now: NowDep, tasks: BackgroundTasks
) -> Viewer | None:
    """The viewer, or None. Once a day it is recorded that their browser was here."""
    token = request.cookies.get(site.own_cookie())
    if not token:
        return None
    user = await site.reader.read(lambda session: get_session_user(session, token, now))
    if user is None:
        return None
    viewer = _viewer_of(site, user)
    if viewer is not None:
        locale = DEFAULT_LOCALE
        for association in (user.association, *viewer.coordinates):
            if association in site.rulebooks.associations:
                locale = site.rulebooks.associations[association].locale
                break
        set_locale(locale)

    def keep_seen() -> None:
        # If the database is busy, the next page records it.
        with suppress(Busy):
            site.writer.run(lambda session: record_visit(session, token, now))

    if not has_recent_visit(user, now):
        tasks.add_task(keep_seen)
    return viewer


async def find_user(request: Request) -> SessionUser | None:
    """Whose session a request comes with; None if it has no valid one."""
    site = site_of(request)
    token, now = request.cookies.get(site.own_cookie()), site.now()
    if not token:
        return None
    return await site.reader.read(lambda session: get_session_user(session, token, now))


def viewer_of_request(request: Request, site: Site, now: datetime) -> Viewer | None:
    """The viewer, for code outside of an endpoint."""
    token = request.cookies.get(site.own_cookie())
    if not token:
        return None
    with reading(site.engine) as session:
        user = get_session_user(session, token, now)
    return _viewer_of(site, user) if user else None


def viewer_in_session(
    session: Session, request: Request, site: Site, now: datetime
) -> Viewer | None:
    """The viewer, read and recorded as seen in the transaction that saves what they sent."""
    token = request.cookies.get(site.own_cookie())
    user = get_session_user(session, token, now) if token else None
    if token is None or user is None:
        return None
    if not has_recent_visit(user, now):
        record_visit(session, token, now)
    return _viewer_of(site, user)


def _viewer_of(site: Site, user: SessionUser) -> Viewer | None:
    # Coordinators only by the address in the settings: imports may write second addresses.
    roles = [c for c in site.settings.coordinators if c.email == user.email]
    if user.name is None and not roles and not _may_apply(site, user):
        return None
    return Viewer(
        email=user.email,
        name=user.name or next((one.name for one in roles), user.email),
        person_id=user.person_id,
        is_endorsed=user.is_endorsed,
        has_applied=user.has_applied,
        coordinates=_list_associations(site, roles) if roles else (),
        provides_rsc=user.provides_rsc,
        mail_comes_back=user.mail_comes_back,
        confirmed_at=user.confirmed_at,
    )


def _list_associations(site: Site, roles: Sequence[Coordinator]) -> tuple[str, ...]:
    """The associations of these roles that have a rulebook, each once."""
    names = dict.fromkeys(role.association for role in roles)
    return tuple(name for name in names if name in site.rulebooks.associations)


def _may_apply(site: Site, user: SessionUser) -> bool:
    """Whether an address that is nobody's may apply; not if it was somebody's when it signed in."""
    return site.settings.sign_in.applicants and not user.had_person


OptionalViewerDep = Annotated[Viewer | None, Depends(find_viewer)]


async def require_viewer(viewer: OptionalViewerDep) -> Viewer:
    """The viewer; anybody else is sent to sign in first."""
    if viewer is None:
        raise SignInNeeded
    return viewer


ViewerDep = Annotated[Viewer, Depends(require_viewer)]
