"""`tracker rules try`: a made-up person, judged by a rulebook file. Nothing is stored."""

import json
import sys
from collections.abc import Iterator
from datetime import date
from operator import methodcaller
from pathlib import Path
from typing import Any, NamedTuple

import typer
from pydantic import ValidationError

from tracker import clock
from tracker.clock import local_day
from tracker.errors import UserError
from tracker.formatting import (
    as_hours,
    format_count,
    format_cycle_span,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_money,
    use_locale,
)
from tracker.notifications.comparison_text import format_notice
from tracker.rulebooks import (
    explain_unreadable,
    load_notice_configs,
    load_rulebooks,
    read_rulebook_file,
)
from tracker.rules.cycles import Cycle
from tracker.rules.explain import explain_held_years
from tracker.rules.fees import CENTS
from tracker.rules.made_up_person import (
    MadeUpMembership,
    MadeUpPayment,
    MadeUpPerson,
    MadeUpSession,
    MadeUpSubmission,
)
from tracker.rules.notices import Decision, Kind
from tracker.rules.parse import RulebookProblem, parse
from tracker.rules.plan import PlannedRequirement
from tracker.rules.reasons import format_reason
from tracker.rules.stages import find_window
from tracker.rules.standing import Outcome, Result, Standing, list_exemptions
from tracker.rules.value_errors import describe_value_error
from tracker.services.rule_trials import Trial, TrialError, try_rulebook
from tracker.services.rules_comparison import DueNotice, Effect
from tracker.settings import configuration_folder

_TO_ISO = methodcaller("isoformat")
_OUTCOMES = {
    Outcome.MET: "met",
    Outcome.ATTESTED: "met by the signed statement",
    Outcome.WAIVED: "waived",
    Outcome.EXCUSED: "not required",
}
_MAIL = {
    Kind.RENEWAL: "reminder",
    Kind.LAPSE: "notice of the lapse",
    Kind.MEMBERSHIP: "notice about the membership",
    Kind.WINDOW_OPENS: "reminder",
    Kind.WINDOW_CLOSES: "reminder",
    Kind.ABSENCE_ENDS: "reminder",
    Kind.TERM_ENDS: "reminder",
}


class PersonError(UserError):
    """The made-up person can't be judged."""

    heading = "The person can't be judged:"


class PersonInput(NamedTuple):
    """The person as the command line has them: a file, or options that describe one.

    ``training`` and ``rsc`` are hours on the as-of day, or the cycle's last day if that is earlier.
    """

    file: Path | None
    category: str | None
    endorsed: date | None
    training: float | None
    rsc: float | None
    is_member: bool
    submitted: date | None
    signed: tuple[str, ...] | None
    paid: date | None


class Day(NamedTuple):
    """As of which day to judge (None: today), in the cycle that contains ``cycle``."""

    as_of: date | None
    cycle: date | None


def run(file: Path, person: PersonInput, day: Day, *, as_json: bool) -> None:
    """Print what the person's renewal comes to; raise UserError with everything that is wrong."""
    folder = configuration_folder()
    rulebooks = read_rulebook_file(file, folder)
    ((association, rulebook),) = rulebooks.associations.items()
    as_of = day.as_of or local_day(clock.now(), rulebook.time_zone)
    made_up = _read_person(person, min(as_of, day.cycle or as_of))
    known = {association, *load_rulebooks(folder).associations}
    config = load_notice_configs(folder, known).of(association)
    try:
        trial = try_rulebook(rulebooks, association, made_up, config, as_of, cycle_day=day.cycle)
    except TrialError as error:
        raise PersonError(str(error)) from error
    if as_json:
        sys.stdout.write(json.dumps(_to_json(trial), default=_TO_ISO, indent=1) + "\n")
        return
    with use_locale(rulebook.locale):
        sys.stdout.write("\n".join(_describe(trial)) + "\n")


def _read_person(person: PersonInput, held_on: date) -> MadeUpPerson:
    if person.file is None:
        return _make_person(person, held_on)
    if person[1:] != (None, None, None, None, False, None, None, None):
        message = "describe the person in the file or by options, not by both"
        raise typer.BadParameter(message)
    try:
        text = person.file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = explain_unreadable(error)
        problem = RulebookProblem(str(person.file), "the whole file", reason)
        raise PersonError(str(problem)) from error
    found, problems = parse(MadeUpPerson, text, person.file.name)
    if found is None:
        raise PersonError("\n".join(str(problem) for problem in problems))
    return found


def _make_person(person: PersonInput, held_on: date) -> MadeUpPerson:
    if person.category is None or person.endorsed is None:
        message = "name a file with --person, or describe the person: --category and --endorsed"
        raise typer.BadParameter(message)
    if person.signed is not None and person.submitted is None:
        message = "--signed goes with --submitted, the day on which the statement was signed"
        raise typer.BadParameter(message)
    try:
        return MadeUpPerson(
            category=person.category,
            endorsed=person.endorsed,
            sessions=tuple(_make_sessions(person, held_on)),
            memberships=_make_memberships(person),
            submission=_make_submission(person),
            payments=_make_payments(person),
        )
    except ValidationError as error:
        details = error.errors()[0]
        place = ".".join(str(step) for step in details["loc"])
        message = f"--{place}: {describe_value_error(details)}"
        raise typer.BadParameter(message) from error


def _make_sessions(person: PersonInput, held_on: date) -> Iterator[MadeUpSession]:
    for activity, hours in (("training", person.training), ("rsc", person.rsc)):
        if hours is not None:
            yield MadeUpSession.model_validate({"on": held_on, activity: hours})


def _make_memberships(person: PersonInput) -> tuple[MadeUpMembership, ...]:
    if not person.is_member:
        return ()
    return (MadeUpMembership.model_validate({"from": person.endorsed}),)


def _make_submission(person: PersonInput) -> MadeUpSubmission | None:
    if person.submitted is None:
        return None
    return MadeUpSubmission.model_validate({"on": person.submitted, "signed": person.signed})


def _make_payments(person: PersonInput) -> tuple[MadeUpPayment, ...]:
    if person.paid is None:
        return ()
    return (MadeUpPayment.model_validate({"on": person.paid}),)


def _describe(trial: Trial) -> Iterator[str]:
    standing, plan = trial.standing, trial.standing.plan
    yield f"{plan.association} {plan.category} as of {format_date(trial.as_of)}: {standing.status}"
    yield from _describe_cycle(trial)
    yield ""
    yield from _describe_requirements(standing)
    yield from _describe_fees(trial)
    if trial.not_counted:
        yield ""
        yield "Sessions that don't count"
    for entry, reason in trial.not_counted:
        hours = format_hours_with_unit(entry.minutes)
        yield f"  {format_date(entry.held_on)}, {entry.activity}, {hours}: {format_reason(reason)}"
    yield ""
    yield "Mail if nothing changes"
    for day, decision in trial.reminders:
        yield f"  {format_date(day)}: {_format_decision(decision)}"
    if not trial.reminders:
        yield "  none"
    if standing.next_change_on:
        yield f"The outcome could change by itself on {format_date(standing.next_change_on)}."
    yield "Nothing was stored or sent."


def _describe_requirements(standing: Standing) -> Iterator[str]:
    plan = standing.plan
    exemptions = list_exemptions(plan, standing)
    for result in standing.results:
        requirement = result.requirement
        yield f"{requirement.label} ({requirement.id}): {_format_result(result)}"
        if reason := exemptions.get(requirement.id):
            yield f"  {format_reason(reason)}"
        elif plan.cycle:
            yield from _describe_amount(requirement, plan.cycle)
        for note in result.notes:
            if note != reason:
                yield f"  {format_reason(note)}"
        yield f"  {requirement.source_document}, {requirement.source_section}"


def _describe_amount(requirement: PlannedRequirement, cycle: Cycle) -> Iterator[str]:
    """Why a requirement is not what most people owe: years held, or a share of the cycle."""
    if reason := explain_held_years(requirement, cycle):
        yield f"  {format_reason(reason)}"
    # The hours of each year, and of a return, are the same in every cycle.
    is_always_whole = requirement.year is not None or requirement.returns_from is not None
    if requirement.is_hours and cycle.share not in (0, 1) and not is_always_whole:
        why = "the endorsement began in it" if cycle.is_first else "it is cut short"
        if cycle.share > 1:
            why = "it is lengthened"
        yield f"  {cycle.share} of the cycle's hours, because {why}"


def _describe_fees(trial: Trial) -> Iterator[str]:
    if trial.fees:
        yield ""
        yield "Fees"
    for line in trial.fees:
        paid, due = (format_money(each, line.currency) for each in (line.account.paid, line.due))
        text = f"  {line.fee.label} ({line.fee.id}): {paid} of {due} paid"
        if line.owed and line.fee.late_amount and not line.account.is_late:
            late = format_money(line.fee.late_amount, line.currency)
            text += f"; {late} if paid after {format_date(line.account.on_time_through)}"
        yield text


def _describe_cycle(trial: Trial) -> Iterator[str]:
    standing, cycle = trial.standing, trial.standing.plan.cycle
    if cycle is None or standing.due_on is None:
        return
    first = ", the first one" if cycle.is_first else ""
    yield f"Cycle: {format_cycle_span(cycle.starts_on, cycle.ends_on)}{first}"
    ends_on = format_date(cycle.grace_ends_on(standing.due_on))
    yield f"Due: {format_date(standing.due_on)}; the grace period ends {ends_on}"
    if standing.plan.is_submitted:
        window = find_window(cycle, standing.due_on)
        opens_on, closes_on = format_date(window.opens_on), format_date(window.closes_on)
        yield f"Submission: from {opens_on} through {closes_on}"


def _format_result(result: Result) -> str:
    requirement = result.requirement
    outcome = _OUTCOMES.get(result.outcome)
    if requirement.is_hours:
        amounts = f"{format_hours(result.counted)} of {format_hours_with_unit(result.required)}"
        short = f"{format_hours_with_unit(result.short)} missing"
    elif requirement.is_spread:
        amounts = f"{result.counted} of {format_count(result.required, 'month')}"
        short = f"{format_count(result.short, 'month')} missing"
    else:
        amounts = f"{result.counted} of {result.required}"
        if requirement.counts == "membership":
            amounts = f"on {result.counted} of {format_count(result.required, 'day')} checked"
        short = f"{result.short} missing"
    return f"{amounts}, {outcome or short}"


def _format_decision(decision: Decision) -> str:
    key = decision.key
    notice = DueNotice(Effect.ADDED, key.kind, key.step, key.due_on, 0, 0, "", "", "", "")
    return f"{_MAIL.get(key.kind, key.kind.value)}, {format_notice(notice)}"


def _to_json(trial: Trial) -> dict[str, Any]:
    standing, cycle = trial.standing, trial.standing.plan.cycle
    exemptions = list_exemptions(standing.plan, standing)
    requirements = []
    for result in standing.results:
        requirement, reason = result.requirement, exemptions.get(result.requirement.id)
        amounts: list[float] = [result.required, result.counted, result.short]
        if requirement.is_hours:
            amounts = [
                as_hours(minutes) for minutes in (result.required, result.counted, result.short)
            ]
        row = dict(zip(("required", "counted", "short"), amounts, strict=True))
        why = format_reason(reason) if reason else None
        row_of = {"id": requirement.id, **row, "status": result.outcome.value, "because": why}
        requirements.append(row_of)
    return {
        "association": standing.plan.association,
        "category": standing.plan.category,
        "as_of": trial.as_of,
        "status": standing.status.value,
        "cycle": cycle
        and {
            "starts_on": cycle.starts_on,
            "ends_on": cycle.ends_on,
            "due_on": standing.due_on,
            "grace_ends_on": cycle.grace_ends_on(standing.due_on or cycle.due_on),
        },
        "requirements": requirements,
        "fees": [
            {
                "id": line.fee.id,
                "due": line.due / CENTS,
                "paid": line.account.paid / CENTS,
                "owed": line.owed / CENTS,
                "on_time_through": line.account.on_time_through,
            }
            for line in trial.fees
        ],
        "not_counted": [
            {"date": e.held_on, "activity": e.activity, "reason": format_reason(reason)}
            for e, reason in trial.not_counted
        ],
        "mail": [
            {"on": day, "kind": d.key.kind.value, "about": d.key.due_on, "step": d.key.step}
            for day, d in trial.reminders
        ],
        "next_change_on": standing.next_change_on,
    }
