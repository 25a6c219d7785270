"""What is wrong with the applications of the files, beside each other and the database."""

from collections.abc import Iterator
from itertools import pairwise

from tracker.records.applying.applications import Applied
from tracker.records.applying.endorsing import covering, in_the_way
from tracker.transfer.applied import Applications, held_of, newly_endorsed
from tracker.transfer.belonging import DAYS, Belongings
from tracker.transfer.known import Known
from tracker.transfer.layouts import OF_APPLICATION
from tracker.transfer.problems import Problem
from tracker.transfer.reading import Reading
from tracker.transfer.rows import Row


def check_applications(
    reading: Reading, known: Known, applications: Applications
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


def _problems_of_state(row: Row, after: Applied) -> Iterator[Problem]:
    if after.decided and after.decided_on is None:
        yield row.problem("decided_on", f"must not be empty where the state is {after.state}")
    if not after.decided and after.decided_on is not None:
        what = "only what is endorsed, declined or withdrawn has it: give that state"
        yield row.problem("decided_on", what)
    if after.state == "submitted" and after.submitted_on is None:
        yield row.problem("submitted_on", "must not be empty where the state is submitted")
    if after.state == "open" and after.submitted_on is not None:
        what = f"it was submitted on {after.submitted_on}, and cannot be open after that"
        yield row.problem("state", what)


def _problems_of_order(row: Row, after: Applied) -> Iterator[Problem]:
    if after.submitted_on and after.submitted_on < after.opened_on:
        what = f"must be {after.opened_on} (the day of opening) or later"
        yield row.problem("submitted_on", what)
    elif after.decided_on and after.decided_on < (after.submitted_on or after.opened_on):
        since = "submission" if after.submitted_on else "opening"
        what = f"must be {after.submitted_on or after.opened_on} (the day of {since}) or later"
        yield row.problem("decided_on", what)


def _problem_of_change(row: Row, before: Applied | None, after: Applied) -> Problem | None:
    """A decision stands; only the day of one on which nothing rests may be put right."""
    if before is None or not before.decided:
        return None
    what = f"the application was {before.state} on {before.decided_on}, and stays so"
    if after.state != before.state:
        return row.problem("state", what)
    if after.decided_on != before.decided_on and before.state == "endorsed":
        return row.problem("decided_on", what)
    return None


def _problems_of_twice(
    row: Row, after: Applied, before: Applied | None, applications: Applications
) -> Iterator[Problem]:
    """One decision is of one application: a second one differs by a slip in the day of opening."""
    if not after.decided or after == before:
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
        undecided = sorted(day for day, applied in own.items() if not applied.decided)
        for first, second in pairwise(undecided):
            if row := rows.get((held, second)) or rows.get((held, first)):
                other = first if row.values["opened_on"] == second else second
                what = f"the application opened on {other} is undecided, too: decide one of them"
                yield row.problem("opened_on", what)


def _problems_of_endorsing(
    reading: Reading, known: Known, applications: Applications
) -> Iterator[Problem]:
    """Endorsements begin with decisions: they join those that are known, and overlap none."""
    for row in newly_endorsed(reading, applications):
        day = applications.became(row).decided_on
        terms = known.terms.setdefault(held_of(row), {})
        if day is None or covering(terms, day):
            continue
        if (reason := in_the_way(terms, day)) and "endorsements" not in reading.doubtful:
            yield row.problem("decided_on", reason)
        else:
            terms[day] = None


def check_belonging(reading: Reading, known: Known, belongings: Belongings) -> Iterator[Problem]:
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
