"""`tracker standing` and `tracker readiness`: as a table or as JSON."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from sqlmodel import Session, col, or_, select

from tracker.cli.context import AppContext, UnknownName, open_app, print_json_list
from tracker.db.applications import Application, Reference
from tracker.db.engine import reading
from tracker.db.people import Endorsement, Person
from tracker.db.statements import in_chunks
from tracker.exports.standing_json import (
    ending_to_json,
    readiness_to_json,
    standing_to_json,
    without_records_to_json,
)
from tracker.formatting import format_alternatives, format_hours, hours_word
from tracker.rules.application.references import ReferenceProgress
from tracker.rules.application.wording import NO_INITIAL_RULES, format_notes
from tracker.rules.explain import NO_RULES
from tracker.rules.reasons import format_reason
from tracker.rules.standing import ApplicationStanding, Outcome, Result, Standing
from tracker.services.application_facts import judge_applications
from tracker.services.endings import EndingEndorsement, list_endings
from tracker.services.evaluation import DayOf, judge_all
from tracker.services.first_days import RenewalWithoutRecords, list_without_records
from tracker.services.reference_submission import list_references, progress_of
from tracker.services.stages import read_ways
from tracker.services.uncounted import Uncounted, with_uncounted

_BATCH = 500
_Readiness = tuple[ApplicationStanding, Uncounted, list[tuple[Reference, ReferenceProgress]]]


class Selection(NamedTuple):
    """What to show: as of which day (None: today at each association), of whom."""

    as_of: date | None
    association: str | None
    email: str | None

    def find_ids(
        self, session: Session, model: type[Endorsement | Application]
    ) -> list[int] | None:
        """The ids of the person's rows; None without an address.

        Raises UnknownName if nobody with that address has such a row.
        """
        if not self.email:
            return None
        email = self.email.strip().lower()
        query = (
            select(model.id)
            .join(Person, col(Person.id) == model.person_id)
            .where(or_(Person.email == email, Person.second_email == email))
        )
        ids = list(session.exec(query))
        if not ids:
            raise UnknownName(f"Nobody with the address {email!r} has an {model.__tablename__}.")
        return ids


def print_standings(chosen: Selection, cycle: date | None, *, as_json: bool) -> None:
    """Print each renewal's standing, in the cycle that contains the day ``cycle``."""
    # Two sessions: standings are streamed through one while the other reads their entries.
    with open_app() as app, reading(app.engine) as facts, reading(app.engine) as rest:
        app.check_association(chosen.association)
        day_of = app.day_of_association(chosen.as_of)
        ids = chosen.find_ids(facts, Endorsement)
        endings: list[EndingEndorsement] = []
        for association in (
            [chosen.association] if chosen.association else app.rulebooks.associations
        ):
            endings += list_endings(
                rest, app.rulebooks, association, day_of, cycle_day=cycle, endorsement_ids=ids
            )
        standings = judge_all(
            facts,
            app.rulebooks,
            day_of,
            cycle_day=cycle,
            association=chosen.association,
            endorsement_ids=ids,
        )
        without_records = list(
            list_without_records(
                rest,
                app.rulebooks,
                day_of,
                cycle_day=cycle,
                association=chosen.association,
                endorsement_ids=ids,
            )
        )
        results = with_uncounted(rest, standings, day_of)
        if as_json:
            ways = read_ways(
                rest, app.rulebooks, association=chosen.association, endorsement_ids=ids
            )
            rows = (
                standing_to_json(
                    standing,
                    uncounted,
                    ways.find_stage(standing, day_of(standing.plan.association)),
                )
                for standing, uncounted in results
            )
            others = map(without_records_to_json, without_records)
            ends = (ending_to_json(each, day_of(each.association)) for each in endings)
            print_json_list(chain(rows, ends, others))
        else:
            _print_standing_table(results, [*endings, *without_records], day_of)


def print_readiness(chosen: Selection, *, as_json: bool) -> None:
    """Print how ready each application is."""
    with open_app() as app, reading(app.engine) as facts, reading(app.engine) as rest:
        app.check_association(chosen.association)
        day_of = app.day_of_association(chosen.as_of)
        standings = judge_applications(
            facts,
            app.rulebooks,
            day_of,
            association=chosen.association,
            application_ids=chosen.find_ids(facts, Application),
        )
        results = _with_references(app, rest, with_uncounted(rest, standings, day_of), day_of)
        if as_json:
            print_json_list(readiness_to_json(*result) for result in results)
        else:
            _print_readiness_table(results)


def _with_references(
    app: AppContext,
    session: Session,
    results: Iterable[tuple[ApplicationStanding, Uncounted]],
    day_of: DayOf,
) -> Iterator[_Readiness]:
    """Each result with the application's references, and how far each had come on the day."""
    for batch in in_chunks(results, _BATCH):
        ids = [standing.facts.subject_id for standing, _ in batch]
        references = list_references(session, ids)
        for standing, uncounted in batch:
            association = standing.plan.association
            zone = app.rulebooks.associations[association].time_zone
            listed = [
                (reference, progress_of(reference, zone, day_of(association)))
                for reference in references.get(standing.facts.subject_id, [])
            ]
            yield standing, uncounted, listed


def _print_standing_table(
    results: Iterable[tuple[Standing, Uncounted]],
    others: Iterable[EndingEndorsement | RenewalWithoutRecords],
    day_of: DayOf,
) -> None:
    table = Table("Endorsee", "Endorsement", "Due", "Standing", "Missing", "Doesn't count")
    for standing, uncounted in results:
        missing = [_format_short(r) for r in standing.results if r.outcome is Outcome.SHORT]
        reasons = []
        for entry, reason in uncounted:
            hours = format_hours(entry.minutes)
            line = f"{entry.held_on} {entry.title}, {hours} h: {format_reason(reason)}"
            reasons.append(escape(line))
        table.add_row(
            escape(standing.facts.email),
            f"{standing.plan.association} {standing.plan.category}",
            standing.due_on.isoformat() if standing.due_on else "",
            standing.status.value,
            "\n".join(missing) if standing.plan.cycle else NO_RULES,
            "\n".join(reasons),
        )
    for other in others:
        endorsement = f"{other.association} {other.category}"
        table.add_row(escape(other.email), endorsement, "", _describe(other, day_of), "", "")
    _print_table(table, "renewals", "endorsees")


def _describe(other: EndingEndorsement | RenewalWithoutRecords, day_of: DayOf) -> str:
    if isinstance(other, RenewalWithoutRecords):
        return f"before this system: no records (it was due on {other.due_on})"
    verb = "ended" if other.has_ended(day_of(other.association)) else "ends"
    becomes = f", unless it becomes {format_alternatives(other.becomes)}" if other.becomes else ""
    return f"{verb} {other.ends_on}{becomes}, before it is due on {other.due_on}"


def _print_readiness_table(results: Iterable[_Readiness]) -> None:
    # On a narrow terminal a long ID is wrapped, not cut.
    columns = ("Applicant", "For", "Readiness", "Missing", "For reviewers", "References")
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for standing, _uncounted, references in results:
        missing, review = [], []
        for result in standing.results:
            if result.outcome is Outcome.SHORT:
                missing.append(escape(_format_short(result)))
            elif result.outcome is Outcome.REVIEW:
                review.append(escape(f"{result.requirement.id} {format_notes(result)}".strip()))
        table.add_row(
            escape(standing.facts.email),
            f"{standing.plan.association} {standing.plan.category}",
            standing.status.value,
            "\n".join(missing) if standing.plan.requirements else NO_INITIAL_RULES,
            "\n".join(review),
            "\n".join(escape(f"{each.name}: {progress.label}") for each, progress in references),
        )
    _print_table(table, "applications", "applications")


def _print_table(table: Table, plural: str, importable: str) -> None:
    if table.row_count:
        Console().print(table)
    else:
        Console().print(
            f"There are no {plural} to show. Import {importable} with `tracker import FOLDER`, or "
            "ask for another day, association, or person."
        )


def _format_short(result: Result) -> str:
    """What a requirement is short of, in a few words: ``rsc: 2 of 50 h``."""
    requirement = result.requirement
    if requirement.counts in ("membership", "submitted", "paid"):
        return hours_word(requirement.counts, "")
    if requirement.unit == "hours":
        short, required = format_hours(result.short), format_hours(result.required)
        return f"{requirement.id}: {short} of {required} h"
    if requirement.unit == "years":
        return f"{requirement.id}: {result.short} of {result.required} months"
    if result.required == 1:
        return requirement.id
    return f"{requirement.id}: {result.short} of {result.required} {requirement.unit}"
