"""Applicants of the cases in tests/applications, written in a few words and put into a database.

    applies = "VAIMH IMHS 2025-01-01"          # association, category, the day it was opened
    submitted = 2025-06-01
    degrees = ["master 2020-05-15 official"]   # level, day, what transcript there is
    work = ["imh-services paid 2021-01-01..2022-12-31 infants families=10 supervised confirms=all"]
    references = ["program-supervisor", "rsc-provider by Maya", "trainer as IFS", "parent waiting"]
    signed = ["ethics", "agreement 2025-01-02"]
    exams = ["failed 2025-02-01", "passed 2025-03-01"]
    rulebooks = "imagined"                         # else the real rulebooks

Work is what it offers (commas between services), how it was paid, its days, and any of `infants`
(birth to 36 months) or `young-children` (3 up to 6 years), `families=N`, `supervised`,
`trained`, `gives-rsc`, `confirms=all` (or keys), `under=Name`. A reference is a role and any of
`by Name` (of the providers), `as CATEGORY` and `vetted` (the referee's own word), `on DATE` (or
an instant), and `waiting`, `declined` or `denied` (not in that role). References came, and things
were signed, on the day the application was opened, if no day is given. The rest is as in
tests/rules/case_data.py.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any

from sqlmodel import Session

from tests.rules.case_data import ENDORSEE, CasePeople, insert_row, span
from tracker.formatting import format_hours
from tracker.rulebooks import Rulebooks
from tracker.rules.requirement import AGES
from tracker.rules.standing import ApplicationStanding, Result
from tracker.services.rsc_providers import refresh_provider_spans

_FLAGS = {"supervised": "supervised", "trained": "trained", "gives-rsc": "gives_rsc"}
_GIVEN = ("families", "confirms", "under")
_AGES = dict(zip(("infants", "young-children"), AGES, strict=True))


def populate(session: Session, rulebooks: Rulebooks, case: dict[str, Any]) -> CasePeople:
    """Store everything that a case tells of an applicant and her providers."""
    people = CasePeople(session)
    for name, held in case.get("providers", {}).items():
        people.add(name, held, provides_rsc=True)
    people.add(ENDORSEE, case.get("endorsed", ()), provides_rsc=case.get("provides_rsc", False))
    for line in case.get("members", ()):
        people.join(line)
    for line in case.get("entries", ()):
        people.log(line)
    association, category, day = case["applies"].split()
    opened_on = date.fromisoformat(day)
    application_id = insert_row(
        session,
        "application",
        person_id=people.ids[ENDORSEE],
        association=association,
        category=category,
        opened_on=opened_on,
        submitted_on=case.get("submitted"),
        state="submitted" if case.get("submitted") else "open",
    )
    _add_degrees(people, case.get("degrees", ()))
    _add_positions(people, case.get("work", ()), statements(rulebooks, association, category))
    _add_references(people, application_id, case.get("references", ()), opened_on)
    for line in case.get("signed", ()):
        what, *on = line.split()
        signed_on = date.fromisoformat(on[0]) if on else opened_on
        insert_row(
            session,
            "attestation",
            application_id=application_id,
            what=what,
            signed_on=signed_on,
        )
    for line in case.get("exams", ()):
        result, day = line.split()
        insert_row(
            session,
            "exam_result",
            application_id=application_id,
            taken_on=date.fromisoformat(day),
            passed=result == "passed",
        )
    refresh_provider_spans(session, rulebooks)
    return people


def statements(rulebooks: Rulebooks, association: str, category: str) -> list[str]:
    """All that an applicant can be asked to confirm of a position."""
    asked = rulebooks.associations[association].requirements_of(category, "application")
    return sorted({key for r in asked if r.work for key in r.work.statements})


def _add_degrees(people: CasePeople, lines: Iterable[str]) -> None:
    for line in lines:
        level, day, *transcript = line.split()
        insert_row(
            people.session,
            "degree",
            person_id=people.ids[ENDORSEE],
            level=level,
            title=f"{level} of {day}",
            awarded_on=date.fromisoformat(day),
            transcript=transcript[0] if transcript else "none",
        )


def _add_positions(people: CasePeople, lines: Iterable[str], everything: list[str]) -> None:
    for line in lines:
        services, pay, days, *rest = line.split()
        starts_on, ends_on = span(days)
        values: dict[str, Any] = {name: word in rest for word, name in _FLAGS.items()}
        given = dict(word.split("=") for word in rest if "=" in word)
        unknown = {w.partition("=")[0] for w in rest} - {*_FLAGS, *_AGES, *_GIVEN}
        assert not unknown, f"no work: {line!r} says {unknown}"
        confirmed = given.get("confirms", "")
        insert_row(
            people.session,
            "position",
            person_id=people.ids[ENDORSEE],
            title=line,
            pay=pay,
            services=services.replace(",", ";"),
            ages=next((_AGES[word] for word in rest if word in _AGES), None),
            families=int(given.get("families", 0)),
            statements=";".join(everything) if confirmed == "all" else confirmed.replace(",", ";"),
            supervisor_id=people.ids.get(given.get("under", "")),
            starts_on=starts_on,
            ends_on=ends_on,
            **values,
        )


def _add_references(
    people: CasePeople, application_id: int, lines: Iterable[str], opened_on: date
) -> None:
    for number, line in enumerate(lines):
        role, *words = line.split()
        words_by_key, flags = _read(iter(words))
        assert flags <= {"vetted", "waiting", "declined", "denied"}, f"no reference: {line!r}"
        came = _instant(words_by_key.get("on", f"{opened_on}"))
        waits = not flags.isdisjoint(("waiting", "declined"))
        insert_row(
            people.session,
            "reference",
            application_id=application_id,
            email=f"{words_by_key['by'].lower()}@example.org"
            if "by" in words_by_key
            else f"r{number}@x.org",
            name=line,
            role=role,
            role_confirmed=None if waits else "denied" not in flags,
            endorsed_as=words_by_key.get("as"),
            vetted="vetted" in flags,
            received_at=None if waits else came,
            declined_at=came if "declined" in flags else None,
            relationship=None if waits else "known for years",
            signed_as=None if waits else line,
        )


def _read(words: Iterator[str]) -> tuple[dict[str, str], set[str]]:
    """What is words_by_key by a word and the next (`by Maya`), and by a word alone."""
    words_by_key: dict[str, str] = {}
    flags: set[str] = set()
    for word in words:
        if word in ("by", "as", "on"):
            words_by_key[word] = next(words)
        else:
            flags.add(word)
    return words_by_key, flags


def _instant(words_by_key: str) -> datetime:
    """An instant as it is written, or noon in UTC of a day."""
    if "T" in words_by_key:
        return datetime.fromisoformat(words_by_key)
    return datetime.combine(date.fromisoformat(words_by_key), time(12), UTC)


def format_results(standing: ApplicationStanding) -> dict[str, str]:
    """Each requirement's outcome in a few words; hours as hours, years as months."""
    return {r.requirement.id: f"{_amounts(r)} {r.outcome}" for r in standing.results}


def _amounts(result: Result) -> str:
    unit = result.requirement.unit
    return f"{_amount(result.counted, unit)} of {_amount(result.required, unit)}"


def _amount(amount: int, unit: str) -> str:
    return format_hours(amount) if unit == "hours" else str(amount)
