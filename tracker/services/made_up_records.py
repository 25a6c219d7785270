"""Writes a made-up person into an empty database, to be judged like anybody else."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from tracker.db.applications import Application
from tracker.db.log import Entry, EntryTopic
from tracker.db.payments import Payment, PaymentShare
from tracker.db.people import Endorsement, Leave, Membership, Person, Renewal, Vetting, Waiver
from tracker.db.submissions import Submission
from tracker.formatting import MINUTES_IN_HOUR
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.made_up_person import MadeUpPeriod, MadeUpPerson, MadeUpSession
from tracker.rules.model import ProviderRule
from tracker.rules.plan import RenewalPlan
from tracker.rules.requirement import DEGREES_RISING

_LONGEST_SESSION = 24 * MINUTES_IN_HOUR
# Longer than any rule asks a provider to be endorsed.
_LONG_AGO = timedelta(days=60 * 366)
# The provider of sessions that name none.
QUALIFIED = "a provider who meets every rule"


@dataclass(frozen=True, slots=True)
class MadeUpRecords:
    """Writes a made-up person into an empty database."""

    session: Session
    rulebooks: Rulebooks
    plan: RenewalPlan
    cycle: Cycle
    person: MadeUpPerson

    def store(self) -> int:
        """Store the person and their providers; return the person's id."""
        person = self.person
        providers = {name: self._store_provider(n) for n, name in enumerate(person.providers, 1)}
        person_id = self._add_person(0, "Made-up person", "none", provides_rsc=person.provides_rsc)
        for other in person.earlier:
            self._add_endorsement(person_id, other.category, other.association, other)
        endorsement = Endorsement(
            person_id=person_id,
            association=self.plan.association,
            category=person.category,
            starts_on=person.endorsed,
            ends_on=person.ends_on,
        )
        self.session.add(endorsement)
        self.session.flush()
        if person.applied:
            self._store_application(person_id, person.applied)
        self._store_terms(endorsement.id)
        self._store_payments(endorsement.id)
        for membership in person.memberships:
            organization = membership.organization or self._find_organization()
            days: dict[str, Any] = {
                "starts_on": membership.starts_on,
                "ends_on": membership.ends_on,
                "kind": membership.kind,
            }
            self.session.add(Membership(person_id=person_id, organization=organization, **days))
        for number, logged in enumerate(person.sessions, 1):
            self._store_session(person_id, number, logged, providers)
        self.session.flush()
        return person_id

    def _store_terms(self, endorsement_id: int) -> None:
        person, cycle = self.person, self.cycle
        for leave in person.leaves:
            days: dict[str, Any] = {"starts_on": leave.starts_on, "ends_on": leave.ends_on}
            self.session.add(Leave(endorsement_id=endorsement_id, kind=leave.kind, **days))
        of_renewal: dict[str, Any] = {
            "endorsement_id": endorsement_id,
            "cycle_starts_on": cycle.starts_on,
        }
        for requirement in person.waived:
            self.session.add(Waiver(requirement=requirement, reason="made up", **of_renewal))
        if person.extended_due_on:
            extended: dict[str, Any] = {
                "extended_due_on": person.extended_due_on,
                "reason": "made up",
            }
            self.session.add(Renewal(**of_renewal, **extended))
        if person.submission:
            signed = person.submission.signed
            keys = self.plan.statements if signed is None else signed
            words = {key: self.plan.rulebook.attestations[key] for key in keys}
            zone = ZoneInfo(self.plan.rulebook.time_zone)
            noon = datetime.combine(person.submission.submitted_on, time(12), zone)
            self.session.add(
                Submission(
                    **of_renewal,
                    cycle_ends_on=cycle.ends_on,
                    form_key="made-up",
                    submitted_at=noon.astimezone(UTC),
                    signed_name="Made-up person",
                    statements=json.dumps(words),
                    content="{}",
                )
            )

    def _store_application(self, person_id: int, submitted_on: date) -> None:
        """Store the application of which the endorsement came."""
        application = Application(
            person_id=person_id,
            association=self.plan.association,
            category=self.person.category,
            opened_on=submitted_on,
            submitted_on=submitted_on,
            decided_on=self.person.endorsed,
            state="endorsed",
        )
        self.session.add(application)

    def _store_payments(self, endorsement_id: int) -> None:
        """Store what was paid for each fee; without an amount, as much as is due in time."""
        fees = {fee.id: fee for fee in self.plan.fees}
        paid = [
            (one.paid_on, fee, one.amount or fees[fee].amount)
            for one in self.person.payments
            for fee in ([one.fee] if one.fee else fees)
        ]
        for number, (paid_on, fee, cents) in enumerate(paid, 1):
            payment = Payment(
                association=self.plan.association,
                form_key=f"made-up-{number}",
                paid_on=paid_on,
                amount_cents=cents,
                payer="Made-up person",
                recorded_at=datetime.combine(paid_on, time(12), UTC),
                recorded_by="made up",
            )
            self.session.add(payment)
            self.session.flush()
            share = PaymentShare(
                payment_id=payment.id,
                endorsement_id=endorsement_id,
                cycle_starts_on=self.cycle.starts_on,
                fee=fee,
                cents=cents,
            )
            self.session.add(share)

    def _store_session(
        self, person_id: int, number: int, logged: MadeUpSession, providers: dict[str, int]
    ) -> None:
        """Store a session; one of more than a day as several, because no day has more hours."""
        with_whom: dict[str, Any] = {}
        if logged.rsc is not None:
            with_whom = self._find_provider(logged.provider, providers)
        rest = {topic: round(hours * MINUTES_IN_HOUR) for topic, hours in logged.topics.items()}
        minutes = round(logged.hours * MINUTES_IN_HOUR)
        while minutes > 0:
            part = min(minutes, _LONGEST_SESSION)
            entry = Entry(
                person_id=person_id,
                activity="training" if logged.training is not None else "rsc",
                held_on=logged.held_on,
                minutes=part,
                title=f"session {number}",
                format=logged.format,
                **with_whom,
            )
            self.session.add(entry)
            self.session.flush()
            self._store_topics(entry, rest)
            minutes -= part

    def _find_provider(self, name: str | None, providers: dict[str, int]) -> dict[str, Any]:
        """The columns that say with whom a session was; one whom nobody knows is only a name."""
        if name is None and QUALIFIED not in providers:
            providers[QUALIFIED] = self._store_qualified()
        found = providers.get(name or QUALIFIED)
        return {"provider_name": name} if found is None else {"provider_id": found}

    def _store_topics(self, entry: Entry, rest: dict[str, int]) -> None:
        """Store the topics of an entry, as far as they fit into it; ``rest`` keeps what is left."""
        room = entry.minutes
        for topic, left in list(rest.items()):
            part = min(left, room)
            if part:
                days: dict[str, Any] = {"person_id": entry.person_id, "held_on": entry.held_on}
                row = EntryTopic(entry_id=entry.id, topic=topic, minutes=part, **days)
                self.session.add(row)
                rest[topic] = left - part
                room -= part

    def _store_provider(self, number: int) -> int:
        name = list(self.person.providers)[number - 1]
        provider = self.person.providers[name]
        person_id = self._add_person(number, name, provider.degree, provides_rsc=True)
        for held in provider.endorsements:
            self._add_endorsement(person_id, held.category, held.association, held)
        for vetting in provider.vetted:
            self._add_vetting(person_id, vetting.association, vetting.starts_on, vetting.ends_on)
        return person_id

    def _store_qualified(self) -> int:
        """Store a provider whom every block of the rulebook's provider rule accepts."""
        number = len(self.person.providers) + 1
        person_id = self._add_person(number, QUALIFIED, DEGREES_RISING[-1], provides_rsc=True)
        since = self.person.endorsed - _LONG_AGO
        rule: ProviderRule | None = self.plan.provider_terms
        held: set[tuple[str, str]] = set()
        vetted: set[str] = set()
        for accepted in rule.accepts if rule else ():
            associations = accepted.associations or (self.plan.association,)
            held.update((a, c) for a in associations for c in accepted.categories)
            vetted.update(associations if accepted.vetted else ())
        for association, category in sorted(held):
            days: dict[str, Any] = {"person_id": person_id, "starts_on": since}
            self.session.add(Endorsement(association=association, category=category, **days))
        for association in sorted(vetted):
            self._add_vetting(person_id, association, since, None)
        return person_id

    def _add_person(self, number: int, name: str, degree: str, *, provides_rsc: bool) -> int:
        row = Person(
            email=f"person-{number}@example.org",
            name=name,
            highest_degree=degree,
            provides_rsc=provides_rsc,
        )
        self.session.add(row)
        self.session.flush()
        return row.id

    def _add_endorsement(
        self, person_id: int, category: str, association: str | None, days: MadeUpPeriod
    ) -> None:
        row = Endorsement(
            person_id=person_id,
            association=association or self.plan.association,
            category=category,
            starts_on=days.starts_on,
            ends_on=days.ends_on,
        )
        self.session.add(row)

    def _add_vetting(
        self, person_id: int, association: str | None, starts_on: date, ends_on: date | None
    ) -> None:
        days: dict[str, Any] = {"starts_on": starts_on, "ends_on": ends_on}
        by = association or self.plan.association
        self.session.add(Vetting(person_id=person_id, association=by, **days))

    def _find_organization(self) -> str:
        rule = self.plan.membership_rule
        accepted = self.rulebooks.accepted_organizations(rule) if rule else ()
        if self.plan.association in accepted or not accepted:
            return self.plan.association
        return accepted[0]
