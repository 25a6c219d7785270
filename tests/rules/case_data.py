"""Rule cases: people described in a few words, stored in a database, and their standings.

`Alice` is the endorsee of a case; `providers` are the people whom her entries name.

    endorsed = ["CT-AIMH IFS 2020-05-01"]          # association, category, first day[..last day]
    members = ["CT-AIMH 2024-01-01..2024-12-31"]   # organization, [kind,] first day..last day
    entries = ["training 6h DEIA 1h 2024-03-02", "rsc 12h 2024-04-30 with Bob"]
    entries = ["rsc 2h group 2024-04-30 with Bob"] # individual, group, or peer
    leave = ["CT-AIMH IFS 2024-12-31..2025-01-31"]
    inactive = ["CT-AIMH IFS 2024-06-01"]
    waived = ["CT-AIMH IFS 2024-01-01 rsc"]        # the day on which the cycle starts
    extended = ["CT-AIMH IFS 2024-01-01 2025-02-28"]
    submitted = ["ATTESTING IFS 2025-01-01 2027-11-15 ethics hours"]  # the day, and what is signed
    applied = ["CT-AIMH IFS 2020-02-01"]           # the day on which it was submitted
    payments = ["PAYING IFS 2026-01-01 renewal 87.50 2026-12-31"]  # the fee, amount, and day
    providers.Bob = ["CT-AIMH IMHS 2015-01-01", "vetted NCIMHA 2020-01-01", "degree master"]

`Bob: ` before any of these makes it Bob's. A session with a name that is not a provider of the
case stores only the name.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from tracker.db.people import Endorsement
from tracker.db.tables import METADATA
from tracker.formatting import format_hours, parse_hours, parse_money
from tracker.rulebooks import Rulebooks, load_rulebooks
from tracker.rules.caps import limit_by_caps
from tracker.rules.explain import LoggedEntry, Verdict, explain
from tracker.rules.standing import Standing
from tracker.services.entries import list_entries
from tracker.services.evaluation import DayOf, judge_all
from tracker.services.rsc_providers import load_providers, refresh_provider_spans
from tracker.services.rule_ends import refresh_rule_ends

TESTS = Path(__file__).parents[1]
REAL = load_rulebooks(TESTS.parent / "config")
IMAGINED = load_rulebooks(TESTS / "rulebooks")
ENDORSEE = "Alice"

_ENTRY = re.compile(
    r"(training|rsc) ([\d.:]+h?)((?: [A-Z][A-Z-]* [\d.:]+h?)*)(?: ([a-z]+))? (\S+)(?: with (.+))?"
)
_TOPIC = re.compile(r"([A-Z][A-Z-]*) ([\d.:]+h?)")


def cases(folder: str) -> Iterator[Any]:
    """The cases of ``tests/<folder>/*.toml`` as pytest parameters, on each file's defaults."""
    for file in sorted((TESTS / folder).glob("*.toml")):
        content = tomllib.loads(file.read_text("utf-8"))
        given = content.get("given", {})
        for case in content["cases"]:
            providers = {**given.get("providers", {}), **case.get("providers", {})}
            yield pytest.param({**given, **case, "providers": providers}, id=case["name"])


def insert_row(session: Session, table: str, **values: object) -> int:
    """Store a row and return its id."""
    key = (
        session.connection()
        .execute(insert(METADATA.tables[table]).values(values))
        .inserted_primary_key
    )
    return int(key[0]) if key else 0


@dataclass
class CasePeople:
    """The people of one case: ids by name, and of endorsements by what they are for."""

    session: Session
    ids: dict[str, int] = field(default_factory=dict)
    endorsements: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, held: Iterable[str] = (), *, provides_rsc: bool = False) -> None:
        """Store a person with endorsements, vetting and a degree."""
        degree = next((h.split()[1] for h in held if h.startswith("degree ")), "none")
        self.ids[name] = insert_row(
            self.session,
            "person",
            email=f"{name.lower()}@example.org",
            name=name,
            highest_degree=degree,
            provides_rsc=provides_rsc,
        )
        for holding in held:
            self.hold(name, holding)

    def hold(self, name: str, holding: str) -> None:
        """Store one endorsement or vetting."""
        if holding.startswith("degree "):
            return
        first, second, days = holding.split()
        starts_on, ends_on = span(days)
        dates = {"person_id": self.ids[name], "starts_on": starts_on, "ends_on": ends_on}
        if first == "vetted":
            insert_row(self.session, "vetting", association=second, **dates)
        else:
            self.endorsements[f"{name}: {first} {second}"] = insert_row(
                self.session, "endorsement", association=first, category=second, **dates
            )

    def join(self, line: str) -> None:
        """Store a membership."""
        name, words = self._whose(line)
        organization, *kinds, days = words.split()
        starts_on, ends_on = span(days)
        dates = {"starts_on": starts_on, "ends_on": ends_on}
        insert_row(
            self.session,
            "membership",
            person_id=self.ids[name],
            organization=organization,
            kind=kinds[0] if kinds else "individual",
            **dates,
        )

    def log(self, line: str) -> int:
        """Store an entry with its topics and return its id."""
        name, words = self._whose(line)
        match = _ENTRY.fullmatch(words)
        assert match, f"no entry: {words!r}"
        activity, hours, topics, session_format, day, provider = match.groups()
        own = {"person_id": self.ids[name], "held_on": date.fromisoformat(day)}
        entry_id = insert_row(
            self.session,
            "entry",
            activity=activity,
            minutes=parse_hours(hours),
            title=words,
            format=session_format,
            provider_id=self.ids.get(provider),
            provider_name=None if provider in self.ids else provider,
            **own,
        )
        for topic, part in _TOPIC.findall(topics):
            minutes = parse_hours(part)
            insert_row(
                self.session,
                "entry_topic",
                entry_id=entry_id,
                topic=topic,
                minutes=minutes,
                **own,
            )
        return entry_id

    def leave(self, line: str, kind: str = "leave") -> None:
        """Store a leave from an endorsement, or its inactive status."""
        endorsement_id, days = self._which(line)
        starts_on, ends_on = span(days)
        dates = {"starts_on": starts_on, "ends_on": ends_on}
        insert_row(self.session, "leave", endorsement_id=endorsement_id, kind=kind, **dates)

    def waive(self, line: str) -> None:
        """Store a waiver of one requirement of one renewal."""
        endorsement_id, words = self._which(line)
        starts_on, requirement = words.split()
        insert_row(
            self.session,
            "waiver",
            endorsement_id=endorsement_id,
            cycle_starts_on=date.fromisoformat(starts_on),
            requirement=requirement,
            reason="agreed",
        )

    def extend(self, line: str) -> None:
        """Store an extension of one renewal."""
        endorsement_id, words = self._which(line)
        starts_on, due_on = words.split()
        insert_row(
            self.session,
            "renewal",
            endorsement_id=endorsement_id,
            cycle_starts_on=date.fromisoformat(starts_on),
            extended_due_on=date.fromisoformat(due_on),
            reason="agreed",
        )

    def submit(self, line: str) -> None:
        """Store a submission of one renewal, at 22:00 UTC."""
        endorsement_id, words = self._which(line)
        starts_on, day, *signed = words.split()
        insert_row(
            self.session,
            "submission",
            endorsement_id=endorsement_id,
            cycle_starts_on=date.fromisoformat(starts_on),
            cycle_ends_on=date.fromisoformat(day),
            form_key=day,
            state="submitted",
            submitted_at=datetime.combine(date.fromisoformat(day), time(22), UTC),
            signed_name="Alice",
            statements=json.dumps(dict.fromkeys(signed, "I sign")),
            content="{}",
        )

    def apply(self, line: str) -> None:
        """Store the application that led to Alice's endorsement."""
        association, category, day = line.split()
        number = self.endorsements.get(f"{ENDORSEE}: {association} {category}", 0)
        endorsed = self.session.get(Endorsement, number)
        insert_row(
            self.session,
            "application",
            person_id=self.ids[ENDORSEE],
            association=association,
            category=category,
            opened_on=date.fromisoformat(day),
            submitted_on=date.fromisoformat(day),
            decided_on=endorsed.starts_on if endorsed else date.fromisoformat(day),
            state="endorsed",
        )

    def pay(self, line: str) -> None:
        """Store a payment of one fee of one renewal."""
        endorsement_id, words = self._which(line)
        starts_on, fee, amount, day = words.split()
        cents, paid_on = parse_money(amount, "USD"), date.fromisoformat(day)
        payment_id = insert_row(
            self.session,
            "payment",
            association=line.split(maxsplit=1)[0],
            form_key=line,
            paid_on=paid_on,
            amount_cents=cents,
            payer="Alice",
            reference="",
            note="",
            recorded_at=datetime.combine(paid_on, time(22), UTC),
            recorded_by="alice@example.org",
        )
        insert_row(
            self.session,
            "payment_share",
            payment_id=payment_id,
            endorsement_id=endorsement_id,
            cycle_starts_on=date.fromisoformat(starts_on),
            fee=fee,
            cents=cents,
        )

    def _whose(self, line: str) -> tuple[str, str]:
        name, colon, words = line.partition(": ")
        return (name, words) if colon else (ENDORSEE, line)

    def _which(self, line: str) -> tuple[int, str]:
        name, words = self._whose(line)
        association, category, rest = words.split(" ", 2)
        return self.endorsements[f"{name}: {association} {category}"], rest


def span(days: str) -> tuple[date, date | None]:
    """`2024-01-01..2024-12-31`, or one day without an end."""
    starts_on, _, ends_on = days.partition("..")
    return date.fromisoformat(starts_on), date.fromisoformat(ends_on) if ends_on else None


def populate(session: Session, rulebooks: Rulebooks, case: dict[str, Any]) -> CasePeople:
    """Store everything that a case says about its people."""
    people = CasePeople(session)
    for name, held in case.get("providers", {}).items():
        people.add(name, held, provides_rsc=True)
    people.add(ENDORSEE, case["endorsed"], provides_rsc=case.get("provides_rsc", False))
    stored: dict[str, Callable[[str], object]] = {
        "members": people.join,
        "entries": people.log,
        "leave": people.leave,
        "inactive": lambda line: people.leave(line, "inactive"),
        "emeritus": lambda line: people.leave(line, "emeritus"),
        "waived": people.waive,
        "extended": people.extend,
        "submitted": people.submit,
        "applied": people.apply,
        "payments": people.pay,
    }
    for key, store in stored.items():
        for line in case.get(key, ()):
            store(line)
    refresh_rule_ends(session, rulebooks)
    refresh_provider_spans(session, rulebooks)
    return people


def judge_person(
    session: Session,
    rulebooks: Rulebooks,
    day_of: DayOf,
    person_id: int,
    cycle_day: date | None = None,
) -> dict[str, Standing]:
    """A person's standings by `association category`."""
    found = judge_all(session, rulebooks, day_of, cycle_day=cycle_day)
    return {
        f"{s.plan.association} {s.plan.category}": s
        for s in found
        if s.facts.person_id == person_id
    }


def verdicts(
    session: Session, standing: Standing, as_of: date
) -> list[tuple[LoggedEntry, Verdict]]:
    """Every entry of the endorsee, oldest first, with its explanation."""
    plan = standing.plan
    providers = load_providers(session)
    entries = list_entries(session, standing.facts.person_id, date.min, date.max)
    return [
        *limit_by_caps(
            plan,
            (
                (entry, explain(entry, plan, providers.get(entry.provider_id or 0), as_of))
                for entry in reversed(entries)
            ),
        )
    ]


def format_outcomes(standing: Standing) -> dict[str, str]:
    """Each requirement's outcome in a few words: `11.5 of 12 short`.

    Memberships are in days, spreads in months.
    """
    return {
        r.requirement.id: f"{r.counted} of {r.required} {r.outcome}"
        if not r.requirement.is_hours
        else f"{format_hours(r.counted)} of {format_hours(r.required)} {r.outcome}"
        for r in standing.results
    }
