"""What another rulebook would change: standings and mail, before it is in force. Nothing is stored.

Every endorsement of one association is judged twice, by the rules in force and by the changed
ones, from the same facts and as of the same day.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from sqlmodel import Session, select

from tracker.db.ledgers import EndorsementEnd, ProviderSpan
from tracker.db.people import Endorsement
from tracker.db.statements import drop_hiding_table, in_chunks, make_hiding_table
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfigs
from tracker.rules.notices import Decision, Kind
from tracker.rules.renewal import falls_behind_on
from tracker.rules.standing import Result, Standing
from tracker.services.dashboard import STATES, UNSETTLED, ShortRequirement
from tracker.services.due_notices import (
    NoticeDay,
    decide_renewals,
    group_by_person,
    list_cutoffs,
)
from tracker.services.evaluation import (
    StoredResult,
    format_results,
    judge_current,
    leave_out_removed,
    parse_results,
)
from tracker.services.rsc_providers import SpanRow, list_spans_by_rules
from tracker.services.rule_ends import list_rule_ends

# So many endorsements at a time: their facts and standings wait in memory.
_BATCH = 250
# A cycle may have closed with nothing to renew.
NO_RENEWAL = "no renewal"


class RenewalState(NamedTuple):
    """The outcome for one renewal, without its facts; ``state`` is one of `STATES`."""

    cycle_starts_on: date | None
    cycle_ends_on: date | None
    due_on: date | None
    state: str
    results: tuple[StoredResult, ...]

    @property
    def short(self) -> list[ShortRequirement]:
        """What is short, in the rulebook's order."""
        return [
            ShortRequirement.of_stored(result)
            for result in self.results
            if result.outcome == "short"
        ]


class ChangedStanding(NamedTuple):
    """A renewal that the changed rules judge otherwise; None: there is no such renewal."""

    endorsement_id: int
    person_id: int
    name: str
    email: str
    category: str
    before: RenewalState | None
    after: RenewalState | None

    @property
    def states(self) -> tuple[str, str]:
        """The state before and after."""
        return (
            self.before.state if self.before else NO_RENEWAL,
            self.after.state if self.after else NO_RENEWAL,
        )

    @property
    def flips(self) -> bool:
        """Whether the state itself changes, not only what is required or counted."""
        before, after = self.states
        return before != after


class Effect(StrEnum):
    """What the changed rules would do with a notice."""

    ADDED = "added"
    KEPT = "kept"
    DROPPED = "dropped"


class DueNotice(NamedTuple):
    """A notice that is due on the day, by the rules in force, the changed ones, or both.

    ``step`` is a number of days from ``due_on`` (negative: before it); ``about`` names the
    provider of a cutoff.
    """

    effect: Effect
    kind: Kind
    step: int
    due_on: date
    person_id: int
    endorsement_id: int
    name: str
    email: str
    category: str
    about: str


@dataclass(frozen=True, slots=True)
class RulesComparison:
    """The rules in force and changed ones, for ``association`` as of ``as_of``.

    ``endorsements`` were judged. ``before`` and ``after`` are the listed renewals by state.
    ``standings`` are those that differ, flips first; ``notices`` those that are due that day.
    """

    association: str
    as_of: date
    endorsements: int
    before: dict[str, int]
    after: dict[str, int]
    standings: tuple[ChangedStanding, ...]
    notices: tuple[DueNotice, ...]

    @property
    def flips(self) -> int:
        """How many renewals would have another state."""
        return sum(standing.flips for standing in self.standings)

    @property
    def messages(self) -> tuple[int, int]:
        """How many people would get mail that day, before and after: one message each."""
        before = {n.person_id for n in self.notices if n.effect is not Effect.ADDED}
        after = {n.person_id for n in self.notices if n.effect is not Effect.DROPPED}
        return len(before), len(after)

    def list_transitions(self) -> list[tuple[str, str, int]]:
        """How many renewals would go from which state to which, the worst first."""
        counts = Counter(standing.states for standing in self.standings if standing.flips)
        order = [*STATES, NO_RENEWAL]
        ranked = sorted(counts, key=lambda states: (order.index(states[1]), order.index(states[0])))
        return [(before, after, counts[before, after]) for before, after in ranked]

    def count_notices(self) -> list[tuple[Kind, dict[Effect, int]]]:
        """How many notices of each kind would be added, kept, and dropped."""
        counts = Counter((notice.kind, notice.effect) for notice in self.notices)
        return [
            (kind, {effect: counts[kind, effect] for effect in Effect})
            for kind in Kind
            if any(counts[kind, effect] for effect in Effect)
        ]


# Called with the number of endorsements judged, and with how many there are to judge.
Progress = Callable[[int, int], None]


class ComparisonInput(NamedTuple):
    """What to compare: the rules in force and the changed ones, for whom, and as of which day."""

    rulebooks: Rulebooks
    changed: Rulebooks
    notices: NoticeConfigs
    association: str
    as_of: date


def compare_rules(
    open_session: Callable[[], AbstractContextManager[Session]],
    asked: ComparisonInput,
    progress: Progress = lambda _done, _total: None,
) -> RulesComparison:
    """Judge an association by the rules in force and by changed ones, and compare.

    A settled cycle stays what it was settled as, by either rules. Each batch of endorsements is
    read in a session of its own: on SQLite nobody can save while one reads.
    """
    with open_session() as session:
        query = select(Endorsement.id).where(Endorsement.association == asked.association)
        ids = sorted(session.exec(query).all())
        ends = list_rule_ends(session, asked.changed)
        with with_other_ends(session, ends):
            spans = list_spans_by_rules(session, asked.changed)
    before, after = _Side(), _Side()
    for done, batch in _in_batches(ids):
        progress(done, len(ids))
        with open_session() as session:
            before.add(session, asked, asked.rulebooks, batch)
            with with_other_ends(session, ends), with_other_spans(session, spans):
                after.add(session, asked, asked.changed, batch)
    progress(len(ids), len(ids))
    return RulesComparison(
        asked.association,
        asked.as_of,
        len(ids),
        before.count_listed(asked.as_of),
        after.count_listed(asked.as_of),
        tuple(_compare_standings(before, after)),
        tuple(_compare_notices(before, after)),
    )


@contextmanager
def with_other_spans(session: Session, spans: Sequence[SpanRow]) -> Iterator[None]:
    """Let every query of this session read ``spans`` in place of the stored ones.

    They are in a temporary table of the same name: a name without a schema means the temporary
    one first, on both databases. If the block raises, the transaction must end with it, and the
    table goes with the transaction.
    """
    rows = [
        (number, rule, provider_id, starts_on.isoformat(), ends_on.isoformat())
        for number, (rule, provider_id, starts_on, ends_on) in enumerate(spans)
    ]
    name = str(ProviderSpan.__tablename__)
    columns = {
        "id": "integer",
        "rule": "varchar",
        "provider_id": "integer",
        "starts_on": "date",
        "ends_on": "date",
    }
    make_hiding_table(session, name, columns, ("rule", "provider_id", "starts_on"), rows)
    yield
    drop_hiding_table(session, name)


@contextmanager
def with_other_ends(session: Session, ends: Mapping[int, date]) -> Iterator[None]:
    """Let every query of this session read the last days by rule in place of the stored ones.

    As `with_other_spans`; ``ends`` are by endorsement.
    """
    rows = [(number, ends_on.isoformat()) for number, ends_on in sorted(ends.items())]
    name = str(EndorsementEnd.__tablename__)
    columns = {"endorsement_id": "integer", "ends_on": "date"}
    make_hiding_table(session, name, columns, ("endorsement_id",), rows)
    yield
    drop_hiding_table(session, name)


def _in_batches(ids: Sequence[int]) -> Iterator[tuple[int, Sequence[int]]]:
    """The ids in batches, each with how many came before."""
    for number, batch in enumerate(in_chunks(ids, _BATCH)):
        yield number * _BATCH, batch


# By endorsement, and whether it is the current cycle (or the one before).
_Place = tuple[int, bool]


class _Side:
    """The outcome by one version of the rules, without the facts it rests on."""

    def __init__(self) -> None:
        self.renewals: dict[_Place, RenewalState] = {}
        self.people: dict[int, tuple[int, str, str, str]] = {}
        self.notices: dict[object, DueNotice] = {}

    def add(
        self, session: Session, asked: ComparisonInput, rulebooks: Rulebooks, ids: Sequence[int]
    ) -> None:
        """Judge some endorsements, and decide on their notices."""

        def day_of(_association: str) -> date:
            return asked.as_of

        judged = list(judge_current(session, rulebooks, day_of, endorsement_ids=ids))
        standings = leave_out_removed(session, judged)
        for standing in standings:
            facts, cycle = standing.facts, standing.plan.cycle
            is_current = cycle is None or cycle.ends_on >= asked.as_of
            self.renewals[facts.subject_id, is_current] = _summarize(standing, asked.as_of)
            category = standing.plan.category
            self.people[facts.subject_id] = (facts.person_id, facts.name, facts.email, category)
        day = NoticeDay(session, rulebooks, asked.notices, day_of, asked.as_of)
        cutoffs = list_cutoffs(day, {standing.facts.person_id for standing in standings})
        decisions = decide_renewals(day, standings, cutoffs)
        for decided in group_by_person(day, decisions).values():
            for decision in decided:
                if decision.skipped is None:
                    self.notices[decision.subject, decision.key] = _describe_notice(decision)

    def count_listed(self, as_of: date) -> dict[str, int]:
        """The listed renewals by state, as `count_renewals` counts them."""
        counts = Counter(
            renewal.state for renewal in self.renewals.values() if _is_listed(renewal, as_of)
        )
        return {state: counts[state] for state in STATES}


def _is_listed(renewal: RenewalState, as_of: date) -> bool:
    is_current = renewal.cycle_ends_on is None or renewal.cycle_ends_on >= as_of
    return is_current or renewal.state in (*UNSETTLED, "behind")


def _summarize(standing: Standing, as_of: date) -> RenewalState:
    cycle, state = standing.plan.cycle, standing.status.value
    behind_on = falls_behind_on(standing)
    if behind_on is not None and behind_on <= as_of:
        state = "behind"
    starts_on, ends_on = (cycle.starts_on, cycle.ends_on) if cycle else (None, None)
    return RenewalState(
        starts_on, ends_on, standing.due_on, state, _summarize_results(standing.results)
    )


# Many renewals have the same results, so that they share one summary.
@lru_cache(maxsize=4_096)
def _summarize_results(results: tuple[Result, ...]) -> tuple[StoredResult, ...]:
    return tuple(parse_results(format_results(results)))


def _describe_notice(decision: Decision) -> DueNotice:
    facts, key = decision.standing.facts, decision.key
    return DueNotice(
        Effect.KEPT,
        key.kind,
        key.step,
        key.due_on,
        facts.person_id,
        facts.subject_id,
        facts.name,
        facts.email,
        decision.standing.plan.category,
        decision.cutoff.provider_name if decision.cutoff else "",
    )


def _compare_standings(before: _Side, after: _Side) -> list[ChangedStanding]:
    """The renewals that differ, flips first, then by the state that they would have."""
    changed = []
    for place in before.renewals.keys() | after.renewals.keys():
        then, now = before.renewals.get(place), after.renewals.get(place)
        if then != now:
            endorsement_id = place[0]
            person = before.people.get(endorsement_id) or after.people[endorsement_id]
            changed.append(ChangedStanding(endorsement_id, *person, then, now))
    order = {state: number for number, state in enumerate([*STATES, NO_RENEWAL])}
    return sorted(
        changed,
        key=lambda c: (
            not c.flips,
            order[c.states[1]],
            order[c.states[0]],
            c.name.casefold(),
            c.endorsement_id,
            str(c.after.cycle_starts_on if c.after else ""),
        ),
    )


def _compare_notices(before: _Side, after: _Side) -> list[DueNotice]:
    """The notices due by either rules: added, then kept, then dropped ones."""
    notices = []
    for key, notice in after.notices.items():
        effect = Effect.KEPT if key in before.notices else Effect.ADDED
        notices.append(notice._replace(effect=effect))
    for key, notice in before.notices.items():
        if key not in after.notices:
            notices.append(notice._replace(effect=Effect.DROPPED))
    kinds, effects = list(Kind), list(Effect)
    return sorted(
        notices,
        key=lambda n: (
            effects.index(n.effect),
            kinds.index(n.kind),
            n.name.casefold(),
            n.endorsement_id,
            n.due_on,
            n.about,
        ),
    )
