"""Judges a made-up person by a rulebook, in a database in memory: nothing is stored.

So a rulebook's author sees what its rules come to before anybody is judged by them.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from tracker.db.tables import METADATA
from tracker.refusal_text import format_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_rules import ABSENCE_NOUNS
from tracker.rules.cycles import Cycle
from tracker.rules.explain import LoggedEntry, explain
from tracker.rules.made_up_person import (
    MadeUpPayment,
    MadeUpPerson,
    MadeUpSubmission,
)
from tracker.rules.model import Rulebook
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, Key, decide, last_membership
from tracker.rules.plan import RenewalPlan
from tracker.rules.reasons import Reason
from tracker.rules.similar_names import describe_known
from tracker.rules.stages import find_window
from tracker.rules.standing import Absence, Standing, lasts_for_life
from tracker.rules.way_notices import list_way_notices
from tracker.services.absence_limits import check_limits, is_offered
from tracker.services.endorsements import Endorsed
from tracker.services.entries import list_entries
from tracker.services.evaluation import judge_all
from tracker.services.fees import FeeLine, view_fees
from tracker.services.made_up_records import MadeUpRecords
from tracker.services.payment_facts import read_payments
from tracker.services.rsc_providers import load_providers, refresh_provider_spans

_DAY = timedelta(days=1)


class TrialError(Exception):
    """The made-up person does not fit the rulebook: what is wrong, and what to write."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a made-up person's renewal comes to on a day, and the reminders that would follow.

    ``fees`` are those of the renewal, with what was paid. ``not_counted`` are the sessions of the
    cycle that don't count. ``reminders`` are those that would be sent from that day on if nothing
    changes, with the day of each.
    """

    rulebook: Rulebook
    as_of: date
    standing: Standing
    fees: tuple[FeeLine, ...]
    not_counted: tuple[tuple[LoggedEntry, Reason], ...]
    reminders: tuple[tuple[date, Decision], ...]


def try_rulebook(
    rulebooks: Rulebooks,
    association: str,
    person: MadeUpPerson,
    config: NoticeConfig,
    as_of: date,
    *,
    cycle_day: date | None = None,
) -> Trial:
    """Judge ``person`` as of a day, in the cycle that contains ``cycle_day`` (default: that day).

    Raises TrialError if the person has no renewal then, or names what the rulebook does not have.
    """
    rulebook = rulebooks.associations[association]
    plan, cycle = _find_plan(rulebooks, rulebook, person, cycle_day or as_of)
    _check_names(rulebook, plan, person)
    with _open_memory() as session:
        person_id = MadeUpRecords(session, rulebooks, plan, cycle, person).store()
        refresh_provider_spans(session, rulebooks)

        def judge(day: date) -> Standing | None:
            found = judge_all(session, rulebooks, lambda _: day, cycle_day=cycle_day or as_of)
            own = (s for s in found if s.facts.person_id == person_id)
            return next((s for s in own if s.facts.starts_on == person.endorsed), None)

        standing = judge(as_of)
        if standing is None:
            message = f"nothing is required on {as_of}: the endorsement ends before the due date"
            raise TrialError(message)
        _check_window(standing, person.submission)
        payments = read_payments(session, [standing.facts.subject_id])
        fees = tuple(view_fees(standing, payments, as_of))
        not_counted = tuple(_list_not_counted(session, standing, as_of))
        days = _list_notice_days(config, standing, cycle, as_of)
        reminders = _list_reminders(config, judge, days)
    return Trial(rulebook, as_of, standing, fees, not_counted, reminders)


def _find_plan(
    rulebooks: Rulebooks, rulebook: Rulebook, person: MadeUpPerson, day: date
) -> tuple[RenewalPlan, Cycle]:
    _require("category", person.category, rulebook.categories)
    plan = rulebooks.plan(rulebook.id, person.category, person.endorsed, day)
    if plan is None:
        message = (
            f"there is no cycle on {day}: the rulebook's cycles begin later, or the endorsement of "
            f"{person.endorsed} does"
        )
        raise TrialError(message)
    if plan.cycle is None:
        message = f"{person.category} has no renewal requirements in this file"
        raise TrialError(message)
    return plan, plan.cycle


def _check_names(rulebook: Rulebook, plan: RenewalPlan, person: MadeUpPerson) -> None:
    for requirement in person.waived:
        _require("waived", requirement, {r.id for r in plan.requirements})
    _check_leaves(rulebook, person)
    _check_submission(plan, person.submission)
    _check_payments(plan, person.payments)
    held = [each for provider in person.providers.values() for each in provider.endorsements]
    for endorsement in held:
        if endorsement.association in (None, rulebook.id):
            _require("category of a provider", endorsement.category, rulebook.categories)


def _check_leaves(rulebook: Rulebook, person: MadeUpPerson) -> None:
    """Nobody can record what the rulebook does not allow, so a trial must not excuse anyone."""
    endorsed = Endorsed(0, 0, "", "", rulebook.id, person.category, person.endorsed, None)
    absences = [
        Absence(each.starts_on, each.ends_on or date.max, each.kind) for each in person.leaves
    ]
    for number, leave in enumerate(person.leaves):
        if not is_offered(rulebook, leave.kind, leave.starts_on):
            message = (
                f"the rulebook has no {ABSENCE_NOUNS[leave.kind]} on {leave.starts_on}: "
                f'add [[absences]] with kind = "{leave.kind}", or remove it from the person'
            )
            if leave.kind == "leave":
                message = f"the rulebook allows no leave from {leave.starts_on}: remove it"
            raise TrialError(message)
        others = [*absences[:number], *absences[number + 1 :]]
        for other in others:
            if other.starts_on <= absences[number].ends_on and leave.starts_on <= other.ends_on:
                message = f"the times away from {leave.starts_on} and {other.starts_on} overlap"
                raise TrialError(f"{message}: write them as one")
        for refusal in check_limits(rulebook, endorsed, absences[number], others):
            reason = format_refusal(refusal.code, refusal.facts)
            raise TrialError(f"the {ABSENCE_NOUNS[leave.kind]} from {leave.starts_on}: {reason}")


def _check_submission(plan: RenewalPlan, submission: MadeUpSubmission | None) -> None:
    if submission is None:
        return
    if not plan.is_submitted:
        message = f"renewals of {plan.category} are not submitted: remove the submission"
        raise TrialError(message)
    for statement in submission.signed or ():
        _require("signed", statement, plan.statements)


def _check_window(standing: Standing, submission: MadeUpSubmission | None) -> None:
    """Endorsees can't submit outside the window, and a trial must not say that they are renewed."""
    cycle = standing.plan.cycle
    if submission is None or cycle is None:
        return
    window, day = find_window(cycle, standing.due_on or cycle.due_on), submission.submitted_on
    if not window.opens_on <= day <= window.closes_on:
        message = (
            f"the renewal for {cycle.starts_on} to {cycle.ends_on} can be submitted from "
            f"{window.opens_on} through {window.closes_on}, so not on {day}: write another day, "
            "or choose another cycle with --cycle and a day in it"
        )
        raise TrialError(message)


def _check_payments(plan: RenewalPlan, payments: Collection[MadeUpPayment]) -> None:
    fees = {fee.id for fee in plan.fees}
    for payment in payments:
        if not fees:
            message = f"renewals of {plan.category} have no fee: remove the payments"
            raise TrialError(message)
        if payment.fee is not None:
            _require("fee of a payment", payment.fee, fees)
        elif payment.amount is not None and len(fees) > 1:
            message = f"a payment of an amount names its fee: {', '.join(sorted(fees))}"
            raise TrialError(message)


def _require(what: str, name: str, known: Collection[str]) -> None:
    names = sorted(known)
    if name not in names:
        message = f"{what} {name!r} is not in the rulebook{describe_known(name, names)}"
        raise TrialError(message)


@contextmanager
def _open_memory() -> Iterator[Session]:
    """A session with an empty database in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        METADATA.create_all(engine)
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def _list_not_counted(
    session: Session, standing: Standing, as_of: date
) -> Iterator[tuple[LoggedEntry, Reason]]:
    providers = load_providers(session)
    for entry in reversed(list_entries(session, standing.facts.person_id, date.min, date.max)):
        verdict = explain(entry, standing.plan, providers.get(entry.provider_id or 0), as_of)
        if verdict.reason and not verdict.counts:
            yield entry, verdict.reason


def _list_reminders(
    config: NoticeConfig,
    judge: Callable[[date], Standing | None],
    days: set[date],
) -> tuple[tuple[date, Decision], ...]:
    """What the nightly run would send on ``days``, if it had sent nothing before."""
    sent, decided = [], dict[Key, date]()
    for day in sorted(days):
        then = judge(day)
        if then is None or then.plan.cycle is None:
            continue
        for decision in decide(config, then, (), decided, day):
            decided[decision.key] = then.plan.cycle.starts_on
            if decision.skipped is None:
                sent.append((day, decision))
    return tuple(sent)


def _list_notice_days(
    config: NoticeConfig, standing: Standing, cycle: Cycle, as_of: date
) -> set[date]:
    """The days, not before ``as_of``, on which a notice can fall due."""
    due_on = standing.due_on or cycle.due_on
    counted_from: list[tuple[date, Sequence[int]]] = [(due_on, config.renewal.steps)]
    counted_from += [(n.day, n.steps) for n in list_way_notices(config, standing, cycle.ends_on)]
    until = standing.covered_until or last_membership(standing, as_of)
    if until is not None and not lasts_for_life(until):
        counted_from.append((until, config.membership.steps))
    days = {day + step * _DAY for day, steps in counted_from for step in steps}
    days |= {as_of, cycle.grace_ends_on(due_on) + _DAY}
    return {day for day in days if day >= as_of}
