"""What is stored of each standing stays what a full evaluation would find, as days pass."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, CasePeople, populate, span
from tests.rules.strategies import FIRST, any_day, cases, entries, holdings
from tests.support.nights import evaluate_due
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.services.evaluation import days_at, evaluate_people, judge_current, parse_results

BOOKS = [pytest.param(REAL, id="real"), pytest.param(IMAGINED, id="imagined")]
STANDING = METADATA.tables["standing"]
ONE_DATABASE = [HealthCheck.function_scoped_fixture]
IFS = {
    "endorsed": ["CT-AIMH IFS 2015-03-01"],
    "members": ["CT-AIMH 2020-01-01..2030-12-31"],
    "providers": {"Bob": ["CT-AIMH IFRS 2010-01-01"]},
    "entries": ["training 15h 2026-02-01", "rsc 12h 2026-03-01 with Bob"],
}
Key = tuple[int, date]


def noon(day: date | str) -> datetime:
    """Midday in America, so that it is the same legal day for every association."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime.combine(day, time(18), UTC)


def night(
    session: Session, rulebooks: Rulebooks, day: date | str, since: date | str | None = None
) -> int:
    """The nightly pass of every association; how many endorsements it judged anew.

    `since` is the day of the last pass, by default the day before.
    """
    at = noon(day)
    last = noon(since).date() if since else at.date() - timedelta(days=1)
    names = rulebooks.associations
    return sum(evaluate_due(session, rulebooks, name, at, since=last) for name in names)


def stored(session: Session) -> dict[Key, tuple[Any, ...]]:
    rows = session.connection().execute(STANDING.select())
    return {
        (row.endorsement_id, row.cycle_starts_on): (
            row.status,
            row.due_on,
            [
                (r.id, r.required, r.counted, r.short, r.outcome, r.counts)
                for r in parse_results(row.requirements)
            ],
        )
        for row in rows
    }


def worked_out(session: Session, rulebooks: Rulebooks, day: date) -> dict[Key, tuple[Any, ...]]:
    """The same from nothing: every standing of the current cycles and the ones before."""
    return {
        (s.facts.subject_id, s.plan.cycle.starts_on if s.plan.cycle else s.facts.starts_on): (
            s.status.value,
            s.due_on,
            [
                (
                    r.requirement.id,
                    r.required,
                    r.counted,
                    r.short,
                    r.outcome.value,
                    r.requirement.counts,
                )
                for r in s.results
            ],
        )
        for s in judge_current(session, rulebooks, days_at(rulebooks, noon(day)))
    }


def status_of(session: Session, cycle_starts_on: str) -> str | None:
    day = date.fromisoformat(cycle_starts_on)
    found = session.scalar(
        text("SELECT status FROM standing WHERE cycle_starts_on = :day"), {"day": day.isoformat()}
    )
    return found if found is None else str(found)


@pytest.mark.parametrize("rulebooks", BOOKS)
@settings(max_examples=12, suppress_health_check=ONE_DATABASE)
@given(data=st.data())
def test_nights_keep_what_a_full_evaluation_would_find(
    engine: Engine, rulebooks: Rulebooks, data: st.DataObject
) -> None:
    case = data.draw(cases(rulebooks))
    steps = data.draw(st.lists(st.sampled_from([1, 2, 30, 90, 181, 366]), min_size=2, max_size=6))
    day = data.draw(any_day)
    with Session(engine) as connection:
        people = populate(connection, rulebooks, case)
        evaluate_people(connection, rulebooks, people.ids.values(), noon(day))
        assert stored(connection) == worked_out(connection, rulebooks, day)
        for step in steps:
            since, day = day, day + timedelta(days=step)
            night(connection, rulebooks, day, since)
            assert stored(connection) == worked_out(connection, rulebooks, day), day
        connection.rollback()


@pytest.mark.parametrize("rulebooks", BOOKS)
@settings(max_examples=12, suppress_health_check=ONE_DATABASE)
@given(data=st.data())
def test_a_change_is_judged_at_once_as_a_full_evaluation_would(
    engine: Engine, rulebooks: Rulebooks, data: st.DataObject
) -> None:
    case, day = data.draw(cases(rulebooks)), data.draw(any_day)
    with Session(engine) as connection:
        people = populate(connection, rulebooks, case)
        evaluate_people(connection, rulebooks, people.ids.values(), noon(day))
        for number in range(data.draw(st.integers(1, 3))):
            changed = change_something(people, rulebooks, data, number)
            evaluate_people(connection, rulebooks, [changed], noon(day))
            assert stored(connection) == worked_out(connection, rulebooks, day)
        connection.rollback()


def change_something(
    people: CasePeople, rulebooks: Rulebooks, data: st.DataObject, number: int
) -> int:
    """Write one change that a form or an import could make; the id of whose data it was."""
    connection = people.session
    provider = data.draw(st.sampled_from(["Bob", "Carol", "Dora"]))
    kind = data.draw(st.sampled_from(["log", "delete", "end", "hold", "degree", "provides"]))
    if kind == "log":
        entry = data.draw(entries())
        change_sessions(people, lambda: people.log(entry))
    elif kind == "delete":
        change_sessions(people, lambda: delete_sessions(connection))
    elif kind == "provides":
        toggle = text("UPDATE person SET provides_rsc = NOT provides_rsc WHERE name = :name")
        connection.connection().execute(toggle, {"name": ENDORSEE})
    else:
        change_provider(people, provider, kind, data.draw(holdings(rulebooks)), number)
        return people.ids[provider]
    return people.ids[ENDORSEE]


def change_sessions(people: CasePeople, change: Callable[[], object]) -> None:
    """Change sessions, unless they are those of a submitted renewal: the database refuses that."""
    try:
        with people.session.begin_nested():
            change()
    except DBAPIError as refused:
        assert "the renewal of this cycle is submitted" in str(refused)  # noqa: PT017 - only that


def delete_sessions(session: Session) -> None:
    session.connection().execute(text("DELETE FROM entry_topic"))
    session.connection().execute(text("DELETE FROM entry"))


def change_provider(people: CasePeople, name: str, kind: str, held: list[str], number: int) -> None:
    connection, own = people.session, {"id": people.ids[name]}
    if kind == "end":
        for table in ("endorsement", "vetting"):
            connection.connection().execute(
                text(f"UPDATE {table} SET ends_on = starts_on WHERE person_id = :id"),  # noqa: S608 - two names
                own,
            )
    elif kind == "degree":
        connection.connection().execute(
            text("UPDATE person SET highest_degree = :degree WHERE id = :id"),
            {"degree": held[-1].split()[1], **own},
        )
    else:
        # What is held is unique by its first day: one that nothing else has.
        starts_on = FIRST - timedelta(days=9 + number)
        for holding in held[:-1]:
            first, second, days = holding.split()
            ends_on = span(days)[1]
            people.hold(name, f"{first} {second} {starts_on}{f'..{ends_on}' if ends_on else ''}")


def test_a_provider_who_ends_takes_the_hours_of_those_whom_she_supervised(
    session: Session,
) -> None:
    people = populate(session, REAL, IFS)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    assert status_of(session, "2026-01-01") == "met"

    session.connection().execute(
        text("UPDATE endorsement SET ends_on = '2026-02-28' WHERE category = 'IFRS'")
    )
    evaluate_people(session, REAL, [people.ids["Bob"]], noon("2026-06-01"))
    assert status_of(session, "2026-01-01") == "open"


def test_the_night_after_the_due_date_finds_the_renewal_overdue(session: Session) -> None:
    people = populate(session, REAL, {**IFS, "entries": []})
    evaluate_people(session, REAL, people.ids.values(), noon("2026-12-31"))
    assert status_of(session, "2026-01-01") == "open"

    night(session, REAL, "2027-01-01")
    assert status_of(session, "2026-01-01") == "overdue"


def test_the_night_after_the_grace_finds_the_renewal_lapsed(session: Session) -> None:
    people = populate(session, REAL, {**IFS, "entries": []})
    evaluate_people(session, REAL, people.ids.values(), noon("2026-12-31"))

    night(session, REAL, "2027-01-31")
    assert status_of(session, "2026-01-01") == "overdue"
    night(session, REAL, "2027-02-01")
    assert status_of(session, "2026-01-01") == "lapsed"


@pytest.mark.parametrize("since", ["2015-03-01", "2026-03-01"])
def test_the_night_after_the_cycle_begins_the_next_one(session: Session, since: str) -> None:
    people = populate(session, REAL, {**IFS, "endorsed": [f"CT-AIMH IFS {since}"]})
    evaluate_people(session, REAL, people.ids.values(), noon("2026-12-31"))
    assert status_of(session, "2027-01-01") is None

    night(session, REAL, "2027-01-01")
    assert status_of(session, "2027-01-01") == "open"


def test_a_future_endorsement_is_judged_on_its_first_day(session: Session) -> None:
    people = populate(session, REAL, {**IFS, "endorsed": ["CT-AIMH IFS 2026-09-15"]})
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    assert night(session, REAL, "2026-09-14", since="2026-06-01") == 0
    assert status_of(session, "2026-01-01") is None

    night(session, REAL, "2026-09-15")
    assert status_of(session, "2026-01-01") == "met"


def with_first_cycle(starts_from: date) -> Rulebooks:
    """The rulebooks, but the cycles of CT-AIMH begin on a day."""
    rulebook = REAL.associations["CT-AIMH"]
    [scheme] = [
        scheme.model_copy(update={"starts_from": starts_from}) for scheme in rulebook.cycles
    ]
    return with_rulebook(REAL, rulebook.model_copy(update={"cycles": (scheme,)}))


def test_everyone_is_judged_once_the_first_cycle_begins(session: Session) -> None:
    rulebooks = with_first_cycle(date(2027, 1, 1))
    people = populate(session, rulebooks, IFS)
    evaluate_people(session, rulebooks, people.ids.values(), noon("2026-12-01"))
    night(session, rulebooks, "2026-12-31", since="2026-12-01")
    held = people.endorsements[f"{ENDORSEE}: CT-AIMH IFS"]
    assert held not in {number for number, _ in stored(session)}

    night(session, rulebooks, "2027-01-01")
    assert status_of(session, "2027-01-01") == "open"


def test_a_corrected_first_cycle_is_judged_the_next_night(session: Session) -> None:
    people = populate(session, REAL, IFS)
    wrong = with_first_cycle(date(2027, 1, 1))
    evaluate_people(session, wrong, people.ids.values(), noon("2026-06-01"))
    assert status_of(session, "2026-01-01") is None

    night(session, REAL, "2026-06-02")
    assert status_of(session, "2026-01-01") == "met"


def test_an_entry_dated_ahead_counts_from_its_day_on(session: Session) -> None:
    case = {**IFS, "entries": ["rsc 12h 2026-03-01 with Bob", "training 15h 2026-08-01"]}
    people = populate(session, REAL, case)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-07-30"))
    night(session, REAL, "2026-07-31")
    assert status_of(session, "2026-01-01") == "open"

    night(session, REAL, "2026-08-01")
    assert status_of(session, "2026-01-01") == "met"


@pytest.mark.parametrize(
    ("last", "day"),
    [("2026-06-01", "2026-06-02"), ("2026-12-01", "2026-12-31"), ("2027-01-10", "2027-01-31")],
)
def test_a_night_without_anything_due_judges_nobody(session: Session, last: str, day: str) -> None:
    """The cycle ends with December, and its grace period with January."""
    people = populate(session, REAL, IFS)
    evaluate_people(session, REAL, people.ids.values(), noon(last))

    assert night(session, REAL, day, since=last) == 0


def test_a_changed_rulebook_judges_everybody_anew(session: Session) -> None:
    people = populate(session, REAL, IFS)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    rulebook = REAL.associations["CT-AIMH"]
    training = rulebook.requirements[0]
    value = training.values[0].model_copy(update={"hours": 20.0})
    harder = training.model_copy(update={"values": (value,)})
    requirements = (harder, *rulebook.requirements[1:])
    changed = rulebook.model_copy(update={"requirements": requirements})
    rulebooks = with_rulebook(REAL, changed)

    night(session, rulebooks, "2026-06-01")
    assert status_of(session, "2026-01-01") == "open"
    assert night(session, rulebooks, "2026-06-01") == 0


def test_a_changed_rulebook_judges_nobody_of_another_association(session: Session) -> None:
    case = {**IFS, "endorsed": ["CT-AIMH IFS 2015-03-01", "NCIMHA IFS 2015-03-01"]}
    people = populate(session, REAL, case)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    changed = REAL.associations["CT-AIMH"].model_copy(update={"name": "Another name"})
    rulebooks = with_rulebook(REAL, changed)

    last = date(2026, 6, 1)
    judged = {
        name: evaluate_due(session, rulebooks, name, noon(last), since=last)
        for name in ("NCIMHA", "CT-AIMH")
    }
    # Bob is endorsed there, too.
    assert judged == {"NCIMHA": 0, "CT-AIMH": 2}


def test_a_changed_rulebook_moves_those_supervised_elsewhere(session: Session) -> None:
    people = populate(session, REAL, IFS)
    everyone = people.ids.values()
    # Bob is on file as if he did not qualify.
    session.connection().execute(text("DELETE FROM provider_span"))
    evaluate_people(session, REAL, everyone, noon("2026-06-01"), named_providers=())
    assert status_of(session, "2026-01-01") == "open"
    changed = REAL.associations["NCIMHA"].model_copy(update={"name": "Another name"})

    evaluate_due(session, with_rulebook(REAL, changed), "NCIMHA", noon("2026-06-01"))
    assert status_of(session, "2026-01-01") == "met"


def test_a_rulebook_that_accepts_other_providers_judges_their_endorsees_anew(
    session: Session,
) -> None:
    people = populate(session, REAL, IFS)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    rulebook = REAL.associations["CT-AIMH"]
    rule = rulebook.providers["ifs-rsc"]
    accepted = rule.accepts[0].model_copy(update={"categories": ("IMHM-C",)})
    narrow = rule.model_copy(update={"accepts": (accepted, *rule.accepts[1:])})
    changed = rulebook.model_copy(update={"providers": {**rulebook.providers, "ifs-rsc": narrow}})
    rulebooks = with_rulebook(REAL, changed)

    night(session, rulebooks, "2026-06-01")
    assert stored(session) == worked_out(session, rulebooks, date(2026, 6, 1))
    assert status_of(session, "2026-01-01") == "open"


def test_a_status_keeps_the_day_since_when_it_has_been_so(session: Session) -> None:
    people = populate(session, REAL, {**IFS, "entries": []})
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-09"))
    since = text("SELECT status_since FROM standing WHERE cycle_starts_on = '2026-01-01'")
    assert str(session.scalar(since)) == "2026-06-01"

    night(session, REAL, "2027-01-01")
    assert str(session.scalar(since)) == "2027-01-01"


def test_an_ended_endorsement_leaves_the_table_with_its_cycles(session: Session) -> None:
    case = {**IFS, "endorsed": ["CT-AIMH IFS 2015-03-01..2026-12-31"], "entries": []}
    people = populate(session, REAL, case)
    evaluate_people(session, REAL, people.ids.values(), noon("2026-12-31"))
    night(session, REAL, "2027-02-01")
    assert status_of(session, "2026-01-01") == "lapsed"

    night(session, REAL, "2028-01-01")
    assert status_of(session, "2026-01-01") is None


def test_an_unknown_association_is_passed_over(session: Session) -> None:
    people = populate(session, REAL, {**IFS, "endorsed": ["NOWHERE IFS 2015-03-01"]})
    evaluate_people(session, REAL, people.ids.values(), noon("2026-06-01"))
    assert status_of(session, "2026-01-01") is None
