"""Who is looking: the session's person, and the associations that they coordinate."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import BackgroundTasks, Depends, HTTPException, Request
from sqlalchemy import Connection
from starlette.background import BackgroundTask

from tracker.records.sign_in.sessions import Owner, SignedIn, keep_seen, signed_in, was_seen_today
from tracker.records.store.engine import reading
from tracker.records.store.queue import Busy
from tracker.web.frame.site import Instant, Site, TheSite


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
    def logs_hours(self) -> bool:
        """Whether there is something that hours of theirs can count for."""
        return self.is_endorsed or self.has_applied


async def maybe_viewer(
    request: Request, site: TheSite, at: Instant, later: BackgroundTasks
) -> Viewer | None:
    """Who is signed in; None for anybody else. It is remembered that their browser was here."""
    token = request.cookies.get(site.cookie_name)
    if not token:
        return None
    session = await site.reader.answer(lambda connection: signed_in(connection, token, at))
    if session is None:
        return None
    if not was_seen_today(session, at):
        # Written after the page is sent.
        later.add_task(_keep_seen, site, token, at)
    return _viewer_of(site, session)


async def is_signed_in(site: Site, request: Request) -> bool:
    """Whether a session that is still good sends a request; nothing is remembered."""
    token, at = request.cookies.get(site.cookie_name), site.now()
    if not token:
        return False
    return await site.reader.answer(lambda c: signed_in(c, token, at)) is not None


def who_looks(request: Request, site: Site, at: datetime) -> Viewer | None:
    """The same for whoever answers a request outside its endpoint, and nothing is remembered."""
    session = _session_of(request, site, at)
    return _viewer_of(site, session) if session else None


def viewer_within(
    connection: Connection, request: Request, site: Site, at: datetime
) -> Viewer | None:
    """The same in the transaction that saves what they sent, and remembered in it."""
    token = request.cookies.get(site.cookie_name)
    session = signed_in(connection, token, at) if token else None
    if token is None or session is None:
        return None
    if not was_seen_today(session, at):
        keep_seen(connection, token, at)
    return _viewer_of(site, session)


class Looked(NamedTuple):
    """Who was found in a transaction that reads, and what to do once they are answered."""

    viewer: Viewer
    later: BackgroundTask | None


def look_within(connection: Connection, request: Request, site: Site, at: datetime) -> Looked:
    """The same in a transaction that reads; whoever has not signed in raises SignInNeeded."""
    token = request.cookies.get(site.cookie_name)
    session = signed_in(connection, token, at) if token else None
    found = _viewer_of(site, session) if session else None
    if token is None or session is None or found is None:
        raise SignInNeeded
    seen = was_seen_today(session, at)
    return Looked(found, None if seen else BackgroundTask(_keep_seen, site, token, at))


def _session_of(request: Request, site: Site, at: datetime) -> SignedIn | None:
    token = request.cookies.get(site.cookie_name)
    if not token:
        return None
    with reading(site.engine) as connection:
        return signed_in(connection, token, at)


def _keep_seen(site: Site, token: str, at: datetime) -> None:
    # The next page remembers it.
    with suppress(Busy):
        site.writer.run(lambda connection: keep_seen(connection, token, at))


def _viewer_of(site: Site, session: SignedIn) -> Viewer | None:
    # Only by the very address: a second one is written by whoever imports people.
    roles = [c for c in site.settings.coordinators if c.email == session.email]
    if session.person_id is None and not roles:
        # The address is nobody's, or nobody's any more.
        return None
    known = tuple(dict.fromkeys(c.association for c in roles))
    return Viewer(
        email=session.email,
        name=session.name or roles[0].name,
        person_id=session.person_id,
        is_endorsed=session.is_endorsed,
        has_applied=session.has_applied,
        coordinates=tuple(name for name in known if name in site.books.associations),
        provides_rsc=session.provides_rsc,
        mail_comes_back=session.mail_comes_back,
    )


async def viewer(found: Annotated[Viewer | None, Depends(maybe_viewer)]) -> Viewer:
    """Who is signed in; anybody else is sent to sign in first."""
    if found is None:
        raise SignInNeeded
    return found


AnyViewer = Annotated[Viewer | None, Depends(maybe_viewer)]
TheViewer = Annotated[Viewer, Depends(viewer)]


@dataclass(frozen=True, slots=True)
class Person:
    """A viewer who is among the people, so that they may log hours."""

    id: int
    viewer: Viewer


async def person(who: TheViewer) -> Person:
    """The signed-in person; for anybody else the page is not there."""
    if who.person_id is None:
        raise HTTPException(404)
    return Person(who.person_id, who)


ThePerson = Annotated[Person, Depends(person)]


async def provider(who: ThePerson) -> Person:
    """The signed-in provider of RSC; for anybody else the page is not there."""
    if not who.viewer.provides_rsc:
        raise HTTPException(404)
    return who


async def coordinator(who: TheViewer) -> Viewer:
    """The signed-in coordinator; for anybody else the page is not there."""
    if not who.coordinates:
        raise HTTPException(404)
    return who


TheProvider = Annotated[Person, Depends(provider)]
TheCoordinator = Annotated[Viewer, Depends(coordinator)]
