"""Who is looking: the session's person, and the associations that they coordinate."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from tracker.records.applicants import has_applied
from tracker.records.endorsees import endorsements_of
from tracker.records.engine import reading
from tracker.records.sign_in import find_person, session_email
from tracker.web.site import Instant, TheSite


class SignInNeeded(Exception):  # noqa: N818 - reads as the sentence it prints
    """The page is for people who have signed in."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody signed in. Every query is scoped to ``person_id`` or to ``coordinates``.

    ``person_id`` is None for a coordinator who is not among the people; ``coordinates`` are
    associations.
    """

    email: str
    name: str
    person_id: int | None
    is_endorsed: bool
    has_applied: bool
    coordinates: tuple[str, ...]

    @property
    def logs_hours(self) -> bool:
        """Whether there is something that hours of theirs can count for."""
        return self.is_endorsed or self.has_applied


def maybe_viewer(request: Request, site: TheSite, at: Instant) -> Viewer | None:
    """Who is signed in; None for anybody else."""
    token = request.cookies.get(site.cookie_name)
    if not token:
        return None
    with reading(site.engine) as connection:
        email = session_email(connection, token, at)
        if email is None:
            return None
        person = find_person(connection, email)
        endorsed = bool(person and endorsements_of(connection, person.id))
        applied = bool(person and has_applied(connection, person.id))
    # Only by the very address: a second one is written by whoever imports people.
    roles = [c for c in site.settings.coordinators if c.email == email]
    known = tuple(dict.fromkeys(c.association for c in roles))
    return Viewer(
        email=email,
        name=person.name if person else next((c.name for c in roles), email),
        person_id=person.id if person else None,
        is_endorsed=endorsed,
        has_applied=applied,
        coordinates=tuple(name for name in known if name in site.books.associations),
    )


def viewer(found: Annotated[Viewer | None, Depends(maybe_viewer)]) -> Viewer:
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


def person(who: TheViewer) -> Person:
    """The signed-in person; for anybody else the page is not there."""
    if who.person_id is None:
        raise HTTPException(404)
    return Person(who.person_id, who)


def coordinator(who: TheViewer) -> Viewer:
    """The signed-in coordinator; for anybody else the page is not there."""
    if not who.coordinates:
        raise HTTPException(404)
    return who


ThePerson = Annotated[Person, Depends(person)]
TheCoordinator = Annotated[Viewer, Depends(coordinator)]
