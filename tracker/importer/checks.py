"""Problems that show only beside the other files and the database."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from tracker.db.statements import in_chunks
from tracker.db.tables import METADATA
from tracker.importer.applications import (
    DAYS,
    ApplicationRecord,
    Applications,
    Belongings,
    held_of,
    newly_endorsed,
)
from tracker.importer.csv_schemas import OF_APPLICATION, OF_ENDORSEMENT
from tracker.importer.files import Problem
from tracker.importer.lookups import CHUNK, Held, KnownRecords
from tracker.importer.reader import Reading
from tracker.importer.rows import Row
from tracker.refusal_text import format_refusal
from tracker.services.applications import covering, later_term

_BY_ITS_START = "endorsed_on"
_UNKNOWN_PERSON = "is neither in people.csv nor in the database: add the person to people.csv"


def check_people(reading: Reading, known: KnownRecords) -> Iterator[Problem]:
    """Each row must speak of people whom the files or the database know."""
    emails = reading.named | known.person_ids.keys()
    for row in (row for rows in reading.rows.values() for row in rows):
        for column in ("email", "supervisor_email"):
            if (email := row.values.get(column)) and email not in emails:
                yield row.problem(column, _UNKNOWN_PERSON)
    for entry in reading.entries:
        if entry.email not in emails:
            yield entry.problem("email", entry.email, _UNKNOWN_PERSON)
        if entry.provider_email and entry.provider_email not in emails:
            yield entry.problem("provider_email", entry.provider_email, _UNKNOWN_PERSON)
    for file, line, column, email in reading.mentioned:
        if email not in emails:
            yield Problem(file, line, column, email, _UNKNOWN_PERSON)


def add_terms(reading: Reading, known: KnownRecords) -> None:
    """Put the endorsements of the files over those of the database."""
    for row in reading.rows.get("endorsements", ()):
        terms = known.terms.setdefault(_held(row), {})
        starts_on = row.values["starts_on"]
        terms[starts_on] = row.values.get("ends_on", terms.get(starts_on))


def check_terms(reading: Reading, known: KnownRecords) -> Iterator[Problem]:
    """A person holds a category at an association once on any day (both ends included)."""
    rows = {(_held(row), row.values["starts_on"]): row for row in _endorsements(reading)}
    for held in {held for held, _ in rows}:
        terms = sorted(known.terms[held].items(), key=lambda term: term[0])
        for (first, ends_on), (second, _) in pairwise(terms):
            if ends_on is not None and ends_on < second:
                continue
            end = f"ends on {ends_on}" if ends_on else "has no end"
            if row := rows.get((held, second)):
                what = f"overlaps the endorsement since {first}, which {end}: end that one before"
                yield row.problem("starts_on", what)
            elif row := rows.get((held, first)):
                what = f"overlaps the endorsement since {second}: end this one before that day"
                yield row.problem("ends_on", what)


def check_held(reading: Reading, known: KnownRecords) -> Iterator[Problem]:
    """Leave belongs to an endorsement that is held on its first day, the rest to the one it names.

    Not judged when a row of endorsements.csv or applications.csv, from which endorsements come,
    could not be read: it may be the one.
    """
    if reading.doubtful & {"endorsements", "applications"}:
        return
    emails = reading.named | known.person_ids.keys()
    for row in (row for kind in OF_ENDORSEMENT for row in reading.rows.get(kind, ())):
        if row.email in emails and term_of(row, known) is None:
            _, association, category = _held(row)
            terms = sorted(known.terms.get(_held(row), ()))
            since = f" (but since {', '.join(map(str, terms))})" if terms else ""
            column, does = "starts_on", "is held"
            if _BY_ITS_START in row.values:
                column, does = _BY_ITS_START, "begins"
            what = f"no {association} endorsement as {category} {does} on that day{since}"
            yield row.problem(column, what)


def term_of(row: Row, known: KnownRecords) -> date | None:
    """The first day of the endorsement that a row speaks of; None if there is no such one."""
    terms = known.terms.get(_held(row), {})
    named: date | None = row.values.get(_BY_ITS_START)
    if named is not None:
        return named if named in terms else None
    return covering(terms, row.values["starts_on"])


def _endorsements(reading: Reading) -> list[Row]:
    return reading.rows.get("endorsements", [])


def _held(row: Row) -> Held:
    return (row.email, row.values["association"], row.values["category"])


_ENDORSEMENT = METADATA.tables["endorsement"]
_RENEWAL = METADATA.tables["renewal"]


def check_extensions(session: Session, reading: Reading, known: KnownRecords) -> Iterator[Problem]:
    """An extension is no earlier than the one in force, as on the coordinator's page.

    People may have been told of that one, and an old file must not take back what was granted.
    """
    rows = reading.rows.get("extensions", ())
    people = {known.person_ids[row.email] for row in rows if row.email in known.person_ids}
    in_force = _in_force(session, people)
    for row in rows:
        email, *of_cycle = row.key
        stored = in_force.get((known.person_ids.get(email), *of_cycle))
        if stored is not None and row.values["extended_due_on"] < stored:
            what = f"must be {stored} or later: the renewal is extended to that day already"
            yield row.problem("extended_due_on", what)


def _in_force(session: Session, people: set[int]) -> dict[tuple[Any, ...], date]:
    """The due dates of people's extended renewals, by what names a cycle in the file."""
    found = {}
    cycle = (
        _ENDORSEMENT.c.person_id,
        _ENDORSEMENT.c.association,
        _ENDORSEMENT.c.category,
        _ENDORSEMENT.c.starts_on,
        _RENEWAL.c.cycle_starts_on,
    )
    for chunk in in_chunks(sorted(people), CHUNK):
        query = (
            select(*cycle, _RENEWAL.c.extended_due_on)
            .join_from(_RENEWAL, _ENDORSEMENT)
            .where(_ENDORSEMENT.c.person_id.in_(chunk))
        )
        for *key, due_on in session.connection().execute(query):
            found[tuple(key)] = due_on
    return found


def check_applications(
    reading: Reading, known: KnownRecords, applications: Applications
) -> Iterator[Problem]:
    """What rows of applications.csv make of applications must be possible."""
    for row in reading.rows.get("applications", ()):
        after, before = applications.became(row), applications.before(row)
        changed = _problem_of_change(row, before, after)
        if changed:
            yield changed
        else:
            yield from _problems_of_state(row, after)
            yield from _problems_of_order(row, after)
            yield from _problems_of_twice(row, after, before, applications)
    yield from _problems_beside(reading, applications)
    yield from _problems_of_endorsing(reading, known, applications)


def _problems_of_state(row: Row, after: ApplicationRecord) -> Iterator[Problem]:
    if after.is_decided and after.decided_on is None:
        yield row.problem("decided_on", f"must not be empty where the state is {after.state}")
    if not after.is_decided and after.decided_on is not None:
        what = "only what is endorsed, declined or withdrawn has it: give that state"
        yield row.problem("decided_on", what)
    if after.state == "submitted" and after.submitted_on is None:
        yield row.problem("submitted_on", "must not be empty where the state is submitted")
    if after.state == "open" and after.submitted_on is not None:
        what = f"it was submitted on {after.submitted_on}, and cannot be open after that"
        yield row.problem("state", what)


def _problems_of_order(row: Row, after: ApplicationRecord) -> Iterator[Problem]:
    if after.submitted_on and after.submitted_on < after.opened_on:
        what = f"must be {after.opened_on} (the day of opening) or later"
        yield row.problem("submitted_on", what)
    elif after.decided_on and after.decided_on < (after.submitted_on or after.opened_on):
        since = "submission" if after.submitted_on else "opening"
        what = f"must be {after.submitted_on or after.opened_on} (the day of {since}) or later"
        yield row.problem("decided_on", what)


def _problem_of_change(
    row: Row, before: ApplicationRecord | None, after: ApplicationRecord
) -> Problem | None:
    """A decision stands; only the day of one on which nothing rests may be put right."""
    if before is None or not before.is_decided:
        return None
    what = f"the application was {before.state} on {before.decided_on}, and stays so"
    if after.state != before.state:
        return row.problem("state", what)
    if after.decided_on != before.decided_on and before.state == "endorsed":
        return row.problem("decided_on", what)
    return None


def _problems_of_twice(
    row: Row, after: ApplicationRecord, before: ApplicationRecord | None, applications: Applications
) -> Iterator[Problem]:
    """One decision is of one application: a second one differs by a slip in the day of opening."""
    if not after.is_decided or after == before:
        return
    own = applications.after[held_of(row)].values()
    same = [a for a in own if (a.state, a.decided_on) == (after.state, after.decided_on)]
    others = [a.opened_on for a in same if a.opened_on != after.opened_on]
    if others:
        what = f"the one opened on {min(others)} was {after.state} on {after.decided_on}, too"
        yield row.problem("opened_on", f"{what}: write {min(others)} if it is the same application")


def _problems_beside(reading: Reading, applications: Applications) -> Iterator[Problem]:
    """One application at a time: the files may not open one beside an undecided one."""
    rows = {(held_of(r), r.values["opened_on"]): r for r in reading.rows.get("applications", ())}
    for held in {held for held, _ in rows}:
        own = applications.after[held]
        undecided = sorted(day for day, applied in own.items() if not applied.is_decided)
        for first, second in pairwise(undecided):
            if row := rows.get((held, second)) or rows.get((held, first)):
                other = first if row.values["opened_on"] == second else second
                what = f"the application opened on {other} is undecided, too: decide one of them"
                yield row.problem("opened_on", what)


def _problems_of_endorsing(
    reading: Reading, known: KnownRecords, applications: Applications
) -> Iterator[Problem]:
    """Endorsements begin with decisions: they join those that are known, and overlap none."""
    for row in newly_endorsed(reading, applications):
        day = applications.became(row).decided_on
        terms = known.terms.setdefault(held_of(row), {})
        if day is None or covering(terms, day):
            continue
        later = later_term(terms, day)
        if later is not None and "endorsements" not in reading.doubtful:
            facts = {"starts_on": later, "day": day}
            yield row.problem("decided_on", format_refusal("endorsed-later", facts))
        else:
            terms[day] = None


def check_belonging(
    reading: Reading, known: KnownRecords, belongings: Belongings
) -> Iterator[Problem]:
    """References, attestations and exams belong to an application, open on their day.

    Not judged when a row of applications.csv could not be read: it may be the one.
    """
    if "applications" in reading.doubtful:
        return
    emails = reading.named | known.person_ids.keys()
    for kind in OF_APPLICATION:
        for row in reading.rows.get(kind, ()):
            if row.email in emails and belongings.application(kind, row) is None:
                yield _problem_of_belonging(kind, row, belongings)


def _problem_of_belonging(kind: str, row: Row, belongings: Belongings) -> Problem:
    _, association, category = held_of(row)
    of_whom = f"{row.email} has no application for {association} {category}"
    if belongings.applications.newest(held_of(row)) is None:
        return row.problem("category", f"{of_whom}: add it to applications.csv")
    what = f"{of_whom} that was open on that day: must lie {belongings.days_that_fit(row)}"
    return row.problem(DAYS[kind], what)
