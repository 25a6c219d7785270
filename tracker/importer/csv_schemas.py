"""The files that an import knows, in the order in which they are taken in, and their columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from typing import Any

from tracker.db.applications import STATES, TRANSCRIPTS
from tracker.db.people import DEGREES
from tracker.importer.cells import (
    read_choice,
    read_day,
    read_due_day,
    read_email,
    read_keys,
    read_name,
    read_number,
    read_past_day,
    read_session_hours,
    read_text,
    read_topics,
)
from tracker.importer.vocabulary import Vocabulary
from tracker.rules.model import AGES, LEVELS, PAY


@dataclass(frozen=True)
class Layout:
    """The columns of a file: ``required`` ones; ``optional`` ones with an empty cell's meaning.

    ``key`` columns name a row: two rows with the same key speak of the same thing. Without a
    key each row stands for itself.
    """

    required: tuple[str, ...]
    optional: dict[str, Any]
    key: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, required ones first."""
        return (*self.required, *self.optional)


_APPLIED = ("email", "association", "category")
# An endorsement by its first day, and one of its cycles.
_OF_CYCLE = ("email", "association", "category", "endorsed_on", "cycle_starts_on")
# People come first, because the others speak of them; leave, waivers and extensions speak of
# endorsements, which may come of applications, and what belongs to an application speaks of that.
LAYOUTS = {
    "people": Layout(
        required=("email", "name"),
        optional={"second_email": None, "highest_degree": "none", "provides_rsc": False},
        key=("email",),
    ),
    "endorsements": Layout(
        required=("email", "association", "category", "starts_on"),
        optional={"ends_on": None},
        key=("email", "association", "category", "starts_on"),
    ),
    "vetting": Layout(
        required=("email", "association", "starts_on"),
        optional={"ends_on": None},
        key=("email", "association", "starts_on"),
    ),
    "memberships": Layout(
        required=("email", "organization", "starts_on", "ends_on"),
        optional={},
        key=("email", "organization", "starts_on"),
    ),
    "applications": Layout(
        required=(*_APPLIED, "opened_on"),
        # The state is open, or submitted when submitted_on is given.
        optional={"submitted_on": None, "decided_on": None, "state": None},
        key=(*_APPLIED, "opened_on"),
    ),
    "leave": Layout(
        required=("email", "association", "category", "starts_on"),
        optional={"ends_on": None, "reason": None},
        key=("email", "association", "category", "starts_on"),
    ),
    "waivers": Layout(
        required=(*_OF_CYCLE, "requirement", "reason"),
        optional={},
        key=(*_OF_CYCLE, "requirement"),
    ),
    "extensions": Layout(
        required=(*_OF_CYCLE, "extended_due_on", "reason"), optional={}, key=_OF_CYCLE
    ),
    "degrees": Layout(
        required=("email", "level", "title", "awarded_on"),
        optional={"transcript": "none"},
        key=("email", "level", "title"),
    ),
    "positions": Layout(
        required=("email", "title", "pay", "services", "starts_on"),
        optional={
            "ends_on": None,
            "ages": None,
            "families": 0,
            "supervised": False,
            "trained": False,
            # As the services say: whoever offers rsc gives it.
            "gives_rsc": None,
            "statements": "",
            "supervisor_email": None,
        },
        key=("email", "title", "starts_on"),
    ),
    "references": Layout(
        required=(*_APPLIED, "referee_email", "referee_name", "role"),
        optional={
            "received_on": None,
            "relationship": None,
            "signed_as": None,
            "role_confirmed": None,
            "endorsed_by": None,
            "endorsed_as": None,
            "vetted": None,
        },
        key=(*_APPLIED, "referee_email"),
    ),
    "attestations": Layout(
        required=(*_APPLIED, "what", "signed_on"), optional={}, key=(*_APPLIED, "what")
    ),
    "exams": Layout(
        required=(*_APPLIED, "taken_on", "passed"), optional={}, key=(*_APPLIED, "taken_on")
    ),
    "entries": Layout(
        required=("email", "activity", "date", "hours", "title"),
        optional={
            "topics": (),
            "provider_email": None,
            # Who is not known here by an address: a coordinator confirms who that is.
            "provider_name": None,
            "format": None,
            "reference": None,
            # Stored as a reference is, but of several sessions: no row is known again by it.
            "shared_reference": None,
        },
        key=(),
    ),
}
# What belongs to an application of the person's for the association and category.
OF_APPLICATION = ("references", "attestations", "exams")
# What belongs to an endorsement of the person's.
OF_ENDORSEMENT = ("leave", "waivers", "extensions")
# Whose rows leave audit events, as they do when they are written on the pages.
AUDITED = ("applications", "degrees", "positions", "waivers", "extensions", *OF_APPLICATION)
FILE_NAMES = {f"{kind}.csv": kind for kind in LAYOUTS}


Parser = Callable[[str], Any]

_ACTIVITIES = ("training", "rsc")
_FORMATS = ("individual", "group")
_YES_NO = {"yes": True, "no": False}
# More than anybody serves in a working life.
_MOST_FAMILIES = 100_000


def parsers(vocabulary: Vocabulary, as_of: date) -> dict[str, Parser]:
    """How to read a cell that is not empty, by column, or by file and column where they differ.

    ``as_of`` is the last day on which something that has happened may lie (inclusive), and the
    day from which the plausible years count. A category, a role, a requirement and what is signed
    are read as text: they depend on the association.
    """
    return {
        **_texts(),
        **_names(vocabulary),
        **_choices(),
        **_days(as_of),
        "email": (email := cache(read_email)),
        "second_email": email,
        "provider_email": email,
        "supervisor_email": email,
        "referee_email": email,
        "hours": cache(read_session_hours),
        "families": partial(read_number, most=_MOST_FAMILIES),
    }


def parser_of(known: Mapping[str, Parser], kind: str, column: str) -> Parser:
    """How to read a column of one kind of file."""
    return known.get(f"{kind}.{column}") or known[column]


def _texts() -> dict[str, Parser]:
    longest = {
        "name": 200,
        "title": 300,
        "degrees.title": 200,
        "positions.title": 200,
        "provider_name": 200,
        "reason": 500,
        "reference": 200,
        "shared_reference": 200,
        "category": 40,
        "referee_name": 200,
        "relationship": 500,
        "role": 40,
        "signed_as": 200,
        "endorsed_as": 40,
        "what": 40,
        "requirement": 80,
    }
    return {column: partial(read_text, longest=most) for column, most in longest.items()}


def _names(vocabulary: Vocabulary) -> dict[str, Parser]:
    topics = frozenset((*vocabulary.topics, *vocabulary.rsc_topics))
    services = partial(read_keys, known=vocabulary.services, what="service", longest=200)
    statements = partial(read_keys, known=vocabulary.statements, what="statement", longest=400)
    return {
        "association": partial(read_name, known=vocabulary.categories),
        "organization": partial(read_name, known=vocabulary.organizations),
        "endorsed_by": partial(read_name, known=vocabulary.organizations),
        "topics": cache(partial(read_topics, known=topics)),
        "services": cache(services),
        "statements": cache(statements),
    }


def _choices() -> dict[str, Parser]:
    words = {
        "highest_degree": DEGREES,
        "activity": _ACTIVITIES,
        "format": _FORMATS,
        "state": STATES,
        "level": LEVELS,
        "transcript": TRANSCRIPTS,
        "pay": PAY,
        "ages": AGES,
    }
    yes_no = (
        "provides_rsc",
        "supervised",
        "trained",
        "gives_rsc",
        "role_confirmed",
        "vetted",
        "passed",
    )
    return {
        **{
            column: partial(read_choice, choices={each: each for each in known})
            for column, known in words.items()
        },
        **{column: partial(read_choice, choices=_YES_NO) for column in yes_no},
    }


def _days(as_of: date) -> dict[str, Parser]:
    day = cache(partial(read_day, as_of=as_of))
    past = cache(partial(read_past_day, as_of=as_of))
    happened = (
        "opened_on",
        "submitted_on",
        "decided_on",
        "awarded_on",
        "received_on",
        "signed_on",
        "taken_on",
    )
    return {
        "starts_on": day,
        "ends_on": day,
        "endorsed_on": day,
        "cycle_starts_on": day,
        "extended_due_on": cache(partial(read_due_day, as_of=as_of)),
        "date": cache(partial(read_past_day, as_of=as_of, what="a session")),
        **dict.fromkeys(happened, past),
    }
