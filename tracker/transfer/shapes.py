"""From a row of any file but entries.csv to the columns of its table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracker.transfer.application_slips import offers_rsc
from tracker.transfer.applied import Applications, held_of
from tracker.transfer.catalogue import Catalogue
from tracker.transfer.checks import term_of
from tracker.transfer.known import Held, Known, Term
from tracker.transfer.layouts import OF_APPLICATION
from tracker.transfer.references import reference_values
from tracker.transfer.rows import Row

_APPLICATION = ("email", "association", "category")


@dataclass
class Shapes:
    """What rows become, once everything that they speak of is stored.

    ``terms`` are the ids of endorsements; ``application_ids`` those of the newest applications.
    """

    catalogue: Catalogue
    known: Known
    applications: Applications
    terms: dict[Term, int] = field(default_factory=dict)
    application_ids: dict[Held, int] = field(default_factory=dict)

    def values(self, kind: str, row: Row) -> Mapping[str, Any]:
        """The columns of a row's table that the row tells."""
        if kind == "people":
            return row.values
        if kind in OF_APPLICATION:
            return {"application_id": self.application_ids[held_of(row)], **self._told_of(row)}
        if kind == "leave":
            return self._leave(row)
        values = {name: value for name, value in row.values.items() if name != "email"}
        if kind == "applications":
            values.update(self._outcome(row))
        if kind == "positions":
            values.update(_gives_rsc(row))
        if "supervisor_email" in values:
            supervisor = values.pop("supervisor_email")
            values["supervisor_id"] = supervisor and self.known.person_ids[supervisor]
        return {"person_id": self.known.person_ids[row.email], **values}

    def _told_of(self, row: Row) -> Mapping[str, Any]:
        if "referee_email" in row.values:
            return reference_values(row, self.applications.reference(row), self.catalogue)
        return {name: value for name, value in row.values.items() if name not in _APPLICATION}

    def _leave(self, row: Row) -> Mapping[str, Any]:
        named = {name: value for name, value in row.values.items() if name not in _APPLICATION}
        # check_leave has refused leave outside every endorsement: there is such a term.
        _, association, category = held_of(row)
        term = (self.known.person_ids[row.email], association, category, term_of(row, self.known))
        return {"endorsement_id": self.terms[term], **named}

    def _outcome(self, row: Row) -> Mapping[str, Any]:
        after = self.applications.became(row)
        names = ("submitted_on", "decided_on", "state")
        return {name: getattr(after, name) for name in names}


def _gives_rsc(row: Row) -> dict[str, bool]:
    if offers_rsc(row.values):
        return {"gives_rsc": True}
    return {"gives_rsc": bool(row.values["gives_rsc"])} if "gives_rsc" in row.values else {}
