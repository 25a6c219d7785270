"""What pages depend on: the site, the request's time, and who is signed in."""

import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import unquote

from fastapi import BackgroundTasks, Depends, Request
from sqlalchemy import Engine
from sqlmodel import Session

from tracker.db.engine import reading
from tracker.db.errors import Busy
from tracker.db.reader import Reader
from tracker.db.writer import Writer
from tracker.formatting import DEFAULT_LOCALE, set_locale
from tracker.jobs.health import Health
from tracker.jobs.health_metrics import HealthMetrics
from tracker.mail.compose import Composer
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfigs
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
from tracker.services.team import Area, TeamCache, TeamMember, list_permitted
from tracker.settings import Settings
from tracker.web.background import (
    BackgroundWork,
    MaintenanceSwitch,
    Readiness,
    SingleFlight,
)
from tracker.web.comparisons import Comparisons
from tracker.web.identity import IdentityProvider
from tracker.web.page_branding import PageBranding, PageBrandings
from tracker.web.rendering import Pages
from tracker.web.request_ids import current_request_id
from tracker.web.visit_limit import VisitLimit

T = TypeVar("T")
_FIRST_PAGE = "/"
_DESK = "/coordinator"
# Where the files of applications are opened, too.
_APPLICATIONS = ("/coordinator/applicants", "/evidence/")
FEES_PATH = "/coordinator/fees"
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

    ``configured`` are the settings as they were read, ``team`` who works for which association.
    Pages read with ``reading(site.engine)``, the busiest with ``site.reader``; everything that
    writes uses ``site.writer``. ``now`` reads the clock, once for each request. ``is_https``:
    people reach the site over TLS, so that cookies may require it. ``notices`` says when
    reminders are sent. ``public_visits`` limits how often one client reads a public registry.
    ``provider`` signs in people on teams, if the settings name one.
    """

    configured: Settings
    team: TeamCache
    is_https: bool
    engine: Engine
    reader: Reader
    writer: Writer
    rulebooks: Rulebooks
    notices: NoticeConfigs
    composer: Composer
    pages: Pages
    brandings: PageBrandings
    background: BackgroundWork
    imports: BackgroundWork
    readiness: Readiness
    health: SingleFlight[Health]
    maintenance: MaintenanceSwitch
    vitals: SingleFlight[HealthMetrics]
    comparisons: Comparisons
    public_visits: VisitLimit
    demo_people: Sequence[DemoLogin]
    provider: IdentityProvider | None
    now: Callable[[], datetime]

    @property
    def settings(self) -> Settings:
        """The settings, with the coordinators whom the database names."""
        return self.team.settings

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
    ``confirmed_at``: when a code was last entered in this browser. ``coordinates`` are the
    associations for which this request may look at what it asks for, or change it; ``roles`` all
    that the viewer has. Until the second factor is entered (``needs_factor``) or set up
    (``needs_factor_setup``), ``coordinates`` is empty. ``branding`` is that of pages that are not
    about one association: of the only one that the viewer belongs to.
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
    roles: tuple[TeamMember, ...] = ()
    needs_factor: bool = False
    needs_factor_setup: bool = False
    branding: PageBranding | None = None

    @property
    def actor(self) -> Actor:
        """The viewer as the actor of a service."""
        return Actor(self.email, self.person_id, self.coordinates)

    @property
    def opens_desk(self) -> bool:
        """Whether the viewer may look at more than applications."""
        return bool(list_permitted(self.roles, self.email, Area.DESK, writes=False))

    @property
    def reads_applications(self) -> bool:
        """Whether the viewer may look at applications."""
        return bool(list_permitted(self.roles, self.email, Area.APPLICATIONS, writes=False))

    def may_change(self, association: str, area: Area = Area.DESK) -> bool:
        """Whether the viewer may change something in an area of an association's desk."""
        return association in self.list_changeable(area)

    def list_changeable(self, area: Area = Area.DESK) -> tuple[str, ...]:
        """The associations at which the viewer may change something in an area."""
        return list_permitted(self.roles, self.email, area, writes=True)

    @property
    def only_looks(self) -> bool:
        """Whether the viewer may look at desks, but change nothing on any of them."""
        return self.opens_desk and not self.list_changeable()

    @property
    def logs_hours(self) -> bool:
        """Whether the viewer has an endorsement or application that hours can count for."""
        return self.is_endorsed or self.has_applied


class DeskAccess(NamedTuple):
    """The associations whose desk a request may look at or change, and what it lacks for more."""

    coordinates: tuple[str, ...] = ()
    needs_factor: bool = False
    needs_factor_setup: bool = False


class SignedIn(NamedTuple):
    """Who is signed in, what they do for associations today, and which want a second factor."""

    user: SessionUser
    roles: tuple[TeamMember, ...]
    strict: frozenset[str]

    def decide_access(self, request: Request) -> DeskAccess:
        """What the request may look at, or change if it is one that changes something."""
        if not self.roles:
            return DeskAccess()
        if self.user.has_factor and self.user.factor_at is None:
            return DeskAccess(needs_factor=True)
        is_strict = any(one.association in self.strict for one in self.roles)
        if is_strict and not self.user.has_factor and self.user.factor_at is None:
            return DeskAccess(needs_factor_setup=True)
        writes = request.method not in {"GET", "HEAD"}
        area = area_of(request.url.path)
        return DeskAccess(list_permitted(self.roles, self.user.email, area, writes=writes))


def _find_signed_in(site: Site, session: Session, token: str, now: datetime) -> SignedIn | None:
    user = get_session_user(session, token, now)
    if user is None:
        return None
    site.team.refresh(session)
    configured = {one.email for one in site.configured.coordinators}
    if not user.has_role and user.email not in configured:
        return SignedIn(user, (), frozenset())
    # Only by the address that signed in: imports may write second addresses.
    active, strict = site.team.read(session, now)
    return SignedIn(user, tuple(one for one in active if one.email == user.email), strict)


async def find_viewer(
    request: Request, site: SiteDep, now: NowDep, tasks: BackgroundTasks
) -> Viewer | None:
    """The viewer, or None. Once a day it is recorded that their browser was here."""
    token = request.cookies.get(site.own_cookie())
    if not token:
        return None
    signed_in = await site.reader.read(lambda session: _find_signed_in(site, session, token, now))
    if signed_in is None:
        return None
    user = signed_in.user
    viewer = _viewer_of(site, signed_in, request)
    if viewer is not None:
        set_locale(_choose_locale(request, site, user.association, viewer.coordinates))

    def keep_seen() -> None:
        # If the database is busy, the next page records it.
        with suppress(Busy):
            site.writer.run(lambda session: record_visit(session, token, now))

    if not has_recent_visit(user, now):
        tasks.add_task(keep_seen)
    return viewer


def _choose_locale(
    request: Request, site: Site, own: str | None, coordinates: Sequence[str]
) -> str:
    """The locale of a page: on the desk, that of the association whose desk it is.

    That is the one in the address, or else the first. On other pages, the viewer's own comes first.
    """
    candidates = [own, *coordinates]
    if request.url.path.startswith(_DESK):
        asked = request.query_params.get("association")
        candidates = [*(each for each in coordinates if each == asked), *coordinates, own]
    for association in candidates:
        if association in site.rulebooks.associations:
            return site.rulebooks.associations[association].locale
    return DEFAULT_LOCALE


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
        signed_in = _find_signed_in(site, session, token, now)
    return _viewer_of(site, signed_in, request) if signed_in else None


def viewer_in_session(
    session: Session, request: Request, site: Site, now: datetime
) -> Viewer | None:
    """The viewer, read and recorded as seen in the transaction that saves what they sent."""
    token = request.cookies.get(site.own_cookie())
    signed_in = _find_signed_in(site, session, token, now) if token else None
    if token is None or signed_in is None:
        return None
    if not has_recent_visit(signed_in.user, now):
        record_visit(session, token, now)
    return _viewer_of(site, signed_in, request)


def _viewer_of(site: Site, signed_in: SignedIn, request: Request) -> Viewer | None:
    user, roles, _ = signed_in
    if user.name is None and not roles and not _may_apply(site, user):
        return None
    access = signed_in.decide_access(request)
    return Viewer(
        email=user.email,
        name=user.name or next((one.name for one in roles), user.email),
        person_id=user.person_id,
        is_endorsed=user.is_endorsed,
        has_applied=user.has_applied,
        coordinates=access.coordinates,
        provides_rsc=user.provides_rsc,
        mail_comes_back=user.mail_comes_back,
        confirmed_at=user.confirmed_at,
        roles=roles,
        needs_factor=access.needs_factor,
        needs_factor_setup=access.needs_factor_setup,
        branding=site.brandings.of_viewer(user, roles, is_desk=request.url.path.startswith(_DESK)),
    )


def area_of(path: str) -> Area:
    """The part of the desk to which an address belongs."""
    if path.startswith(FEES_PATH):
        return Area.FEES
    return Area.APPLICATIONS if path.startswith(_APPLICATIONS) else Area.DESK


def _may_apply(site: Site, user: SessionUser) -> bool:
    """Whether an address that is nobody's may apply; not if it was somebody's when it signed in."""
    return site.configured.sign_in.applicants and not user.had_person


OptionalViewerDep = Annotated[Viewer | None, Depends(find_viewer)]


async def require_viewer(viewer: OptionalViewerDep) -> Viewer:
    """The viewer; anybody else is sent to sign in first."""
    if viewer is None:
        raise SignInNeeded
    return viewer


ViewerDep = Annotated[Viewer, Depends(require_viewer)]
