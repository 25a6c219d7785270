"""How to read a cell of each column: a column means the same in every file."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache, partial
from typing import Any

from tracker.records.schema.applying import STATES, TRANSCRIPTS
from tracker.records.schema.people import DEGREES
from tracker.rules.terms import AGES, LEVELS, PAY
from tracker.transfer.catalogue import Catalogue
from tracker.transfer.cells import (
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

Parser = Callable[[str], Any]

_ACTIVITIES = ("training", "rsc")
_FORMATS = ("individual", "group")
_YES_NO = {"yes": True, "no": False}
# More than anybody serves in a working life.
_MOST_FAMILIES = 100_000


def parsers(catalogue: Catalogue, as_of: date) -> dict[str, Parser]:
    """How to read a cell that is not empty, by column, or by file and column where they differ.

    ``as_of`` is the last day on which something that has happened may lie (inclusive), and the
    day from which the plausible years count. A category, a role, a requirement and what is signed
    are read as text: they depend on the association.
    """
    return {
        **_texts(),
        **_names(catalogue),
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


def _names(catalogue: Catalogue) -> dict[str, Parser]:
    topics = frozenset((*catalogue.topics, *catalogue.rsc_topics))
    services = partial(read_keys, known=catalogue.services, what="service", longest=200)
    statements = partial(read_keys, known=catalogue.statements, what="statement", longest=400)
    return {
        "association": partial(read_name, known=catalogue.categories),
        "organization": partial(read_name, known=catalogue.organizations),
        "endorsed_by": partial(read_name, known=catalogue.organizations),
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
