"""Applicants as pages and digests read them: standings of an association, or of one person."""

from collections.abc import Callable, Collection
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, select

from tracker.records.applying.applications import Applied, application_by_id, applications_of
from tracker.records.judging.facts import make_id_table
from tracker.records.judging.readiness import judge_applications
from tracker.records.schema.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.readiness_words import share_missing
from tracker.rules.standing import Standing, Status

_APPLICATION = METADATA.tables["application"]
_PERSON = METADATA.tables["person"]
_SHOWN = "shown_application"
# Whoever waits for a decision first.
STATUSES = (Status.READY, Status.NEEDS_REVIEW, Status.NOT_READY)
_RANKS = (*STATUSES, Status.NO_RULES)


class Applicant(NamedTuple):
    """An application and whose it is."""

    name: str
    email: str
    application: Applied


def standings_of(
    connection: Connection,
    books: Rulebooks,
    day_of: Callable[[str], date],
    application_ids: Collection[int],
) -> dict[int, Standing]:
    """How ready these applications are, by id; those decided, or not opened yet, are absent."""
    if not application_ids:
        return {}
    make_id_table(connection, _SHOWN, application_ids)
    found = judge_applications(connection, books, day_of, only=_SHOWN)
    return {standing.facts.subject_id: standing for standing in found}


def applicants(
    connection: Connection, books: Rulebooks, association: str, day: date
) -> list[Standing]:
    """An association's undecided applications as of ``day``: the ready first, then by what lacks.

    Among equals whoever submitted first comes first.
    """
    found = judge_applications(connection, books, lambda _: day, association=association)
    return sorted(found, key=_place)


def applicant_within(
    connection: Connection, application_id: int, associations: Collection[str]
) -> Applicant | None:
    """One application at these associations; None where it is absent or another one's."""
    application = application_by_id(connection, application_id)
    if application is None or application.association not in associations:
        return None
    whose = _PERSON.c.id == application.person_id
    name, email = connection.execute(select(_PERSON.c.name, _PERSON.c.email).where(whose)).one()
    return Applicant(name, email, application)


def has_applied(connection: Connection, person_id: int) -> bool:
    """Whether a person has an application, decided or not."""
    own = select(_APPLICATION.c.id).where(_APPLICATION.c.person_id == person_id).limit(1)
    return connection.scalar(own) is not None


def undecided_of(connection: Connection, person_id: int) -> list[Applied]:
    """A person's applications that are not decided, the newest first."""
    return [a for a in applications_of(connection, person_id) if not a.decided]


def _place(standing: Standing) -> tuple[int, float, date, str, int]:
    candidate = standing.facts.candidate
    return (
        _RANKS.index(standing.status),
        share_missing(standing),
        (candidate and candidate.submitted_on) or date.max,
        standing.facts.name.casefold(),
        standing.facts.subject_id,
    )
