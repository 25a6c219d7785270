"""Problems that show only beside the other files and the database."""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from tracker.records.applying.endorsing import covering
from tracker.transfer.known import Held, Known
from tracker.transfer.layouts import OF_ENDORSEMENT
from tracker.transfer.problems import Problem
from tracker.transfer.reading import Reading
from tracker.transfer.rows import Row

_BY_ITS_START = "endorsed_on"
_UNKNOWN_PERSON = "is neither in people.csv nor in the database: add the person to people.csv"


def check_people(reading: Reading, known: Known) -> Iterator[Problem]:
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


def add_terms(reading: Reading, known: Known) -> None:
    """Put the endorsements of the files over those of the database."""
    for row in reading.rows.get("endorsements", ()):
        terms = known.terms.setdefault(_held(row), {})
        starts_on = row.values["starts_on"]
        terms[starts_on] = row.values.get("ends_on", terms.get(starts_on))


def check_terms(reading: Reading, known: Known) -> Iterator[Problem]:
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


def check_held(reading: Reading, known: Known) -> Iterator[Problem]:
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


def term_of(row: Row, known: Known) -> date | None:
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
