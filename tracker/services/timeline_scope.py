"""Which changes of a person's records coordinators of some associations may see."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from tracker.clock import local_day
from tracker.db.applications import Application
from tracker.db.log import Entry
from tracker.db.people import Membership
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.services.coordinator_access import AccessWindow, access_windows, sees_entry

Values = Mapping[str, Any]
# A person's own, which every coordinator of theirs sees.
_OF_PERSON = {"person", "mail_off"}
_WITH_ASSOCIATION = {
    "endorsement",
    "vetting",
    "application",
    "entry_confirmation",
    "entry_decision",
    "entry_question",
    "registry_listing",
}
_OF_ENDORSEMENT = {
    *("leave", "waiver", "renewal", "time_request"),
    *("settled_cycle", "submission", "payment_share", "audit_case", "certificate"),
}
_OF_APPLICATION = {"review", "reference", "attestation", "exam_result"}
# What an applicant enters for any application.
_PORTFOLIO = {"degree", "position"}
_OF_ENTRY = {"entry", "evidence"}
# The columns that say which days a change concerns.
_DAYS = ("held_on", "cycle_starts_on", "starts_on", "ends_on", "extended_due_on", "decided_on")


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change of a row of ``table``, as the audit log has it; days are ISO texts.

    ``before`` is None for a new row, ``after`` for a deleted one. ``who`` is the label of an actor.
    """

    at: datetime
    who: str
    table: str
    row_id: int
    before: Values | None
    after: Values | None


class RowState(NamedTuple):
    """The values of a row before or after a change at ``at``."""

    table: str
    row_id: int
    at: datetime
    values: Values


def values_of(values: Values | None) -> Values:
    """The values; none if there was no row."""
    return values or {}


@dataclass(slots=True)
class TimelineScope:
    """What coordinators of ``associations`` may see of one person.

    ``applied_until`` are the days on which their applications were decided (None: not yet). The
    mappings name the association of rows that have one, the endorsement or application of those
    that belong to one, the organization of memberships, and the days of entries, by id; `learn`
    adds rows that are gone.
    """

    associations: Collection[str]
    organizations: Collection[str]
    windows: Sequence[AccessWindow]
    applied_until: Sequence[date | None]
    zone: str
    association_of: dict[tuple[str, int], str] = field(default_factory=dict)
    endorsement_of: dict[tuple[str, int], int] = field(default_factory=dict)
    application_of: dict[tuple[str, int], int] = field(default_factory=dict)
    organization_of: dict[int, str] = field(default_factory=dict)
    held_on: dict[int, date] = field(default_factory=dict)

    def day(self, instant: datetime) -> date:
        """The day of an instant where the association is."""
        return local_day(instant, self.zone)

    def learn(self, changes: Iterable[RecordedChange]) -> None:
        """Note what changes say about rows that may be gone."""
        for change in changes:
            for values in (change.before, change.after):
                key = (change.table, change.row_id)
                known = values_of(values)
                if change.table in _WITH_ASSOCIATION and "association" in known:
                    self.association_of.setdefault(key, known["association"])
                if change.table in _OF_ENDORSEMENT and known.get("endorsement_id"):
                    self.endorsement_of.setdefault(key, known["endorsement_id"])
                if change.table == "entry" and known.get("held_on"):
                    self.held_on[change.row_id] = date.fromisoformat(known["held_on"])

    def shows(self, change: RecordedChange) -> bool:
        """Whether a change may be seen, before and after it."""
        if change.table in _OF_PERSON:
            return True
        sees = _RULES.get(change.table)
        if sees is None:
            return False
        states = [each for each in (change.before, change.after) if each is not None]
        return all(
            sees(self, RowState(change.table, change.row_id, change.at, values))
            for values in states
        )

    def days_of(self, change: RecordedChange) -> tuple[date, ...]:
        """The days that a change concerns; empty if it is about no day."""
        days = set()
        for values in (change.before, change.after):
            for name in _DAYS:
                if day := values_of(values).get(name):
                    days.add(date.fromisoformat(day))
        if change.table != "entry":
            day = self.held_on.get(values_of(change.after or change.before).get("entry_id") or 0)
            days |= {day} if day else set()
        return tuple(sorted(days))

    def sees_association(self, state: RowState) -> bool:
        """Whether a row names one of the associations."""
        known = self.association_of.get((state.table, state.row_id))
        return state.values.get("association", known) in self.associations

    def sees_endorsement(self, state: RowState) -> bool:
        """Whether a row belongs to an endorsement of one of the associations."""
        known = self.endorsement_of.get((state.table, state.row_id))
        number = state.row_id if state.table == "settled_cycle" else known
        return self._sees_owner("endorsement", state.values.get("endorsement_id") or number)

    def sees_application(self, state: RowState) -> bool:
        """Whether a row belongs to an application to one of the associations."""
        known = self.application_of.get((state.table, state.row_id))
        return self._sees_owner("application", state.values.get("application_id") or known)

    def _sees_owner(self, table: str, number: int | None) -> bool:
        return self.association_of.get((table, number or 0)) in self.associations

    def sees_membership(self, state: RowState) -> bool:
        """Whether the associations accept the organization."""
        known = self.organization_of.get(state.row_id)
        return state.values.get("organization", known) in self.organizations

    def sees_portfolio(self, state: RowState) -> bool:
        """Whether it was there while an application was undecided, or when it was decided."""
        day = self.day(state.at)
        return any(decided_on is None or day <= decided_on for decided_on in self.applied_until)

    def sees_entry(self, state: RowState) -> bool:
        """Whether the associations may see entries of the day."""
        day, number = state.values.get("held_on"), state.values.get("entry_id")
        held_on = date.fromisoformat(day) if day else self.held_on.get(number or 0)
        return held_on is not None and sees_entry(self.windows, held_on)


_Rule = Callable[[TimelineScope, RowState], bool]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_WITH_ASSOCIATION, TimelineScope.sees_association),
    **dict.fromkeys(_OF_ENDORSEMENT, TimelineScope.sees_endorsement),
    **dict.fromkeys(_OF_APPLICATION, TimelineScope.sees_application),
    **dict.fromkeys(_PORTFOLIO, TimelineScope.sees_portfolio),
    **dict.fromkeys(_OF_ENTRY, TimelineScope.sees_entry),
    "membership": TimelineScope.sees_membership,
}


def load_scope(
    session: Session, rulebooks: Rulebooks, person_id: int, associations: Collection[str]
) -> TimelineScope:
    """What coordinators of these associations may see of a person."""
    known = [name for name in associations if name in rulebooks.associations]
    organizations: set[str] = set()
    for name in known:
        organizations.update(rulebooks.accepted_by(name))
    zone = rulebooks.associations[known[0]].time_zone if known else "UTC"
    windows = access_windows(session, person_id, associations)
    applications = select(col(Application.decided_on)).where(
        Application.person_id == person_id, col(Application.association).in_(associations)
    )
    applied_until = session.exec(applications).all()
    scope = TimelineScope(associations, organizations, windows, applied_until, zone)
    connection = session.connection()
    for name in ("endorsement", "application", "vetting"):
        table = METADATA.tables[name]
        own = select_columns(table.c.id, table.c.association).where(table.c.person_id == person_id)
        for number, association in connection.execute(own):
            scope.association_of[name, number] = association
    for names, owner_name, owner_of in (
        (_OF_ENDORSEMENT - {"settled_cycle"}, "endorsement", scope.endorsement_of),
        (_OF_APPLICATION, "application", scope.application_of),
    ):
        owner = METADATA.tables[owner_name]
        for name in names:
            table = METADATA.tables[name]
            link = table.c[f"{owner_name}_id"]
            linked = select_columns(table.c.id, link).join(owner)
            for number, owner_id in connection.execute(
                linked.where(owner.c.person_id == person_id)
            ):
                owner_of[name, number] = owner_id
    terms = select(Membership.id, Membership.organization).where(Membership.person_id == person_id)
    scope.organization_of.update(session.exec(terms).all())
    days = select(col(Entry.id), col(Entry.held_on)).where(Entry.person_id == person_id)
    scope.held_on.update(session.exec(days).all())
    return scope
