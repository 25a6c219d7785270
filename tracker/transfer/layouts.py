"""The files that an import knows, in the order in which they are taken in, and their columns."""

from dataclasses import dataclass
from typing import Any


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
