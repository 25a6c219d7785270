"""From a row of any file but entries.csv to the columns of its table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tracker.importer.applications import Applications, Belongings, held_of
from tracker.importer.checks import term_of
from tracker.importer.csv_schemas import OF_APPLICATION, OF_ENDORSEMENT
from tracker.importer.lookups import Held, KnownRecords, Term
from tracker.importer.references import reference_values
from tracker.importer.rows import Row, offers_rsc
from tracker.importer.vocabulary import Vocabulary

_APPLICATION = ("email", "association", "category")


@dataclass
class Shapes:
    """What rows become, once everything that they speak of is stored.

    ``terms`` are the ids of endorsements; ``application_ids`` those of applications by the day
    of opening.
    """

    vocabulary: Vocabulary
    known: KnownRecords
    applications: Applications
    belongings: Belongings
    terms: dict[Term, int] = field(default_factory=dict)
    application_ids: dict[tuple[Held, date], int] = field(default_factory=dict)

    def values(self, kind: str, row: Row) -> Mapping[str, Any]:
        """The columns of a row's table that the row tells."""
        if kind == "people":
            return row.values
        if kind in OF_APPLICATION:
            return self._belonging(kind, row)
        if kind in OF_ENDORSEMENT:
            return self._of_endorsement(row)
        values = {name: value for name, value in row.values.items() if name != "email"}
        if kind == "applications":
            values.update(self._outcome(row))
        if kind == "positions":
            values.update(_gives_rsc(row))
        if "supervisor_email" in values:
            supervisor = values.pop("supervisor_email")
            values["supervisor_id"] = supervisor and self.known.person_ids[supervisor]
        return {"person_id": self.known.person_ids[row.email], **values}

    def _belonging(self, kind: str, row: Row) -> Mapping[str, Any]:
        applied = self.belongings.application(kind, row)
        if applied is None:
            raise LookupError(f"{row.file}:{row.line} belongs to no application")
        told = {name: value for name, value in row.values.items() if name not in _APPLICATION}
        if kind == "references":
            told = reference_values(row, self.belongings.reference(row), self.vocabulary)
        return {"application_id": self.application_ids[held_of(row), applied.opened_on], **told}

    def _of_endorsement(self, row: Row) -> Mapping[str, Any]:
        told = (*_APPLICATION, "endorsed_on")
        named = {name: value for name, value in row.values.items() if name not in told}
        # check_held has refused what lies outside every endorsement: there is such a term.
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
