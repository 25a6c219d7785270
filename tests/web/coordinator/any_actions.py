"""A desk on which any sequence of actions happens, and what has to hold after each of them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import select

from tests.web.client import Visitor, WebClient
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people

# What coordinators and endorsees record; everything else is worked out, sent, or kept about that.
FACTS = (
    "person",
    "endorsement",
    "membership",
    "vetting",
    "leave",
    "waiver",
    "renewal",
    "entry",
    "entry_decision",
    "declined_provider",
    "outside_endorsement",
    "person_mark",
    "payment",
    "payment_share",
    "submission",
    "settled_cycle",
    "audit_draw",
    "audit_case",
    "audit_item",
    "audit_hours",
    "application",
)
# What a fresh evaluation has to leave as it is.
_EVALUATED = ("standing", "submission", "settled_cycle")
# Says when, not what; or that an email was written.
_NOT_COMPARED = {
    "standing": {"judged_on"},
    "person": {"email_refused_at", "email_refused_reason"},
    "submission": {"announced_at"},
    "audit_case": {"reminded_at"},
    "settled_cycle": {"differs_since"},
}
_ACCEPTANCE = ("state", "accepted_at", "accepted_because")
Rows = dict[str, dict[str, Any]]


@dataclass
class AnyDesk:
    """Desks of associations, with what was on record before each change that was saved.

    ``coordinators`` are the addresses of their coordinators, by association.
    """

    web: WebClient
    coordinators: Mapping[str, str]
    before: dict[int, Rows] = field(default_factory=dict)
    visitors: dict[tuple[str, date], Visitor] = field(default_factory=dict)

    def visit(self, email: str) -> Visitor:
        """The browser of somebody, in which they stay signed in for the day."""
        key = (email, self.web.now.date())
        if key not in self.visitors:
            self.visitors[key] = self.web.visit(email)
        return self.visitors[key]

    def coordinator(self, association: str) -> Visitor:
        """The browser of an association's coordinator."""
        return self.visit(self.coordinators[association])

    def rows(self, tables: tuple[str, ...] = FACTS) -> Rows:
        """Rows by table and primary key, as changes name them."""
        found = {}
        with writing(self.web.cast.engine) as session:
            for name in tables:
                table = METADATA.tables[name]
                for row in session.connection().execute(select(table)).mappings():
                    keys = [str(row[column.name]) for column in table.primary_key]
                    skipped = _NOT_COMPARED.get(name, set())
                    values = {key: value for key, value in row.items() if key not in skipped}
                    found[":".join([name, *keys])] = values
        return found

    def count_events(self) -> Counter[str]:
        """How many audit events each row has."""
        events = self.web.cast.rows("audit_event")
        return Counter(f"{event['table_name']}:{event['row_id']}" for event in events)

    def save(self, association: str, path: str, typed: dict[str, Any]) -> bool:
        """Fill in a form, look at its preview, and save it, if it may be saved; whether it was."""
        before, saved = self.rows(), self._list_changes()
        coordinator = self.coordinator(association)
        shown = coordinator.post(path, {"reason": "A phone call", **typed})
        assert self.rows() == before
        assert shown.status_code in {200, 303, 404, 422}, shown.text
        # A preview for many people can have nothing to save.
        if 'name="confirmed"' not in shown.text:
            return False
        kept = dict(re.findall(r'type="hidden" name="([\w.-]+)" value="([^"]*)"', shown.text))
        with self.audited():
            answer = coordinator.post(path, {**kept, "confirmed": "yes"})
        assert answer.status_code == 303, answer.text
        self.keep(before, saved)
        return True

    def keep(self, before: Rows, saved: set[int]) -> None:
        """Remember what was on record before the changes that are not among those ``saved``."""
        for number in self._list_changes() - saved:
            self.before[number] = before

    def _list_changes(self) -> set[int]:
        return {row["id"] for row in self.web.cast.rows("desk_change")}

    def save_directly(self, association: str, path: str, typed: dict[str, Any]) -> None:
        """Fill in a form that saves without a preview."""
        before, saved = self.rows(), self._list_changes()
        with self.audited():
            answer = self.coordinator(association).post(path, typed)
        assert answer.status_code in {303, 404, 422}, answer.text
        self.keep(before, saved)

    @contextmanager
    def audited(self) -> Iterator[None]:
        """One audit event for each row that the block changes, and none for the others."""
        before, events = self.rows(), self.count_events()
        yield
        after = self.rows()
        changed = {key for key in before | after if before.get(key) != after.get(key)}
        new = self.count_events() - events
        # A row without a number of its own has the events of its endorsement.
        of_facts = {
            key: count
            for key, count in new.items()
            if key.partition(":")[0] in FACTS and not key.startswith("settled_cycle:")
        }
        expected = {key: 1 for key in changed if len(key.split(":")) == 2}
        for key in expected:
            # What meets every rule is accepted right after the endorsee has submitted it.
            if key.startswith("submission:") and key not in before:
                expected[key] += after[key]["state"] == "accepted"
        assert of_facts == expected

    def undo(self, association: str, number: int) -> None:
        """Undo a change: its rows are as before, or as they were if they changed since."""
        before_undo = self.rows()
        answer = self.coordinator(association).post(f"/coordinator/changes/{number}/undo")
        assert answer.status_code in {303, 422}, answer.text
        after = self.rows()
        for row in self.web.cast.rows("changed_row", change_id=number):
            key = row["row_key"]
            if key.partition(":")[0] in FACTS:
                is_reversed = row["outcome"] == "reversed"
                assert is_reversed or answer.status_code == 422 or row["note"]
                known = self.before[number] if is_reversed else before_undo
                row_before, row_after = known.get(key), after.get(key)
                if row_before and row_after and _is_accepted_by_itself(row_before, row_after):
                    row_before = row_before | {name: row_after[name] for name in _ACCEPTANCE}
                assert row_after == row_before, (key, row["note"])

    def check_standings(self) -> None:
        """Standings and acceptances are what a fresh evaluation makes of the records."""
        stored = self.rows(_EVALUATED)
        with writing(self.web.cast.engine) as session:
            everyone = list(session.connection().scalars(select(METADATA.tables["person"].c.id)))
            evaluate_people(session, self.web.rulebooks, everyone, self.web.now)
        assert self.rows(_EVALUATED) == stored


def _is_accepted_by_itself(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a renewal that was waiting for an answer meets every requirement by now."""
    states = before.get("state"), after.get("state")
    return states == ("submitted", "accepted") and after["accepted_by"] is None
