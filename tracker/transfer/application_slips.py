"""What does not fit together in one row about an application, whatever else is known."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tracker.transfer.catalogue import Catalogue, what_is_known

Slip = tuple[str, object, str]
# The service of a position that provides RSC, as the rulebooks name it.
_RSC = "rsc"


def slips_of_applying(values: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Slip]:
    """Slips between a row's good cells: column, value, and what would be right."""
    for column, who in (("supervisor_email", "the person"), ("referee_email", "the applicant")):
        address = values.get(column)
        if address and address == values.get("email"):
            yield column, address, f"must be someone else than {who}"
    if values.get("gives_rsc") is False and offers_rsc(values):
        what = f"services name {_RSC}, so RSC is given there: write yes, or take it out of services"
        yield "gives_rsc", "no", what
    association = values.get("association")
    yield from _slips_of_role(values, catalogue)
    if association and "what" in values:
        known = catalogue.signed.get(association, ())
        yield from _unless_known(
            "what", values["what"], known, f"nothing of that name is signed at {association}"
        )
    if (endorser := values.get("endorsed_by")) and (category := values.get("endorsed_as")):
        # An association whose rulebook is not here may use any category that another one has.
        every = {each for known in catalogue.categories.values() for each in known}
        known = catalogue.categories.get(endorser, every)
        yield from _unless_known("endorsed_as", category, known, f"{endorser} has no such category")


def _slips_of_role(values: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Slip]:
    """A referee's role is one that this very category asks for."""
    association, category = values.get("association"), values.get("category")
    if "role" not in values or category not in catalogue.categories.get(association or "", ()):
        return
    known = sorted(catalogue.roles.get(association or "", {}).get(category or "", ()))
    if values["role"] not in known:
        right = f"write {' or '.join(known)}" if known else "it asks for no reference"
        what = f"{association} {category} asks for no such referee: {right}"
        yield "role", values["role"], what


def offers_rsc(values: Mapping[str, Any]) -> bool:
    """Whether a position's row names RSC to others among its services."""
    return _RSC in values.get("services", "").split("; ")


def _unless_known(column: str, value: str, known: Collection[str], what: str) -> Iterator[Slip]:
    if value not in known:
        yield column, value, f"{what}; {what_is_known(value, known)}"
