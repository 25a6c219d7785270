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


# People come first, because the others speak of them; leave speaks of endorsements.
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
    "leave": Layout(
        required=("email", "association", "category", "starts_on"),
        optional={"ends_on": None, "reason": None},
        key=("email", "association", "category", "starts_on"),
    ),
    "entries": Layout(
        required=("email", "activity", "date", "hours", "title"),
        optional={"topics": (), "provider_email": None, "format": None, "reference": None},
        key=(),
    ),
}
FILE_NAMES = {f"{kind}.csv": kind for kind in LAYOUTS}
