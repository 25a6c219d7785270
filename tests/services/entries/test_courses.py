"""A training over several days: all of its days are saved, or none."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import Session, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, NOW, Cast
from tracker.db.ledgers import StandingRow
from tracker.db.log import Entry
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.courses import (
    CourseNeedsConfirmation,
    CourseWarning,
    create_course,
)
from tracker.services.entries import EntrySource, entry_input_of, find_entry
from tracker.services.entry_rules import DAILY_LIMIT, EntryInput, EntryWarnings

KEY = "a" * 32
FIRST = EntryInput("training", date(2026, 11, 18), 180, "Summer school", topics={"DEIA": 30})
COURSE = [FIRST, replace(FIRST, held_on=date(2026, 11, 19), minutes=120)]
SOURCE, CHECKED = EntrySource(KEY), EntrySource(KEY, confirmed=())


def refuse(context: ServiceContext, days: list[EntryInput]) -> list[Refusal]:
    with pytest.raises(Refused) as refused:
        create_course(context, days, SOURCE)
    return list(refused.value.refusals)


def warn(context: ServiceContext, days: list[EntryInput], *confirmed: str) -> list[CourseWarning]:
    with pytest.raises(CourseNeedsConfirmation) as needed:
        create_course(context, days, EntrySource(KEY, confirmed=confirmed))
    assert str(needed.value).startswith(f"{len(needed.value.warnings)} days of a course")
    return list(needed.value.warnings)


def test_a_course_is_saved_once(act: Act, session: Session, cast: Cast) -> None:
    alice, standing = act(ALICE), select(StandingRow.requirements)
    before = session.exec(standing).all()
    saved = create_course(alice, COURSE, CHECKED)
    assert [entry_input_of(entry) for entry in saved] == COURSE
    assert [find_entry(session, cast.people[ALICE], entry.id) for entry in saved] == saved
    assert session.exec(standing).all() != before
    assert create_course(alice, COURSE, CHECKED) == saved
    changed = Refusal(
        "1.form_key", "form-already-saved", {"minutes": 180, "held_on": FIRST.held_on}
    )
    for days in (COURSE[:1], COURSE[::-1], [*COURSE, replace(FIRST, minutes=60)]):
        assert refuse(alice, days) == [changed]
    keys = session.exec(select(Entry.form_key).where(Entry.title == FIRST.title)).all()
    assert sorted(key or "" for key in keys) == [KEY, f"{KEY}-2"]
    other = replace(COURSE[0], held_on=date(2026, 11, 17))
    assert len(create_course(alice, [other, *COURSE], EntrySource("b" * 32))) == 3


def test_every_wrong_day_is_named(act: Act, session: Session) -> None:
    alice = act(ALICE)
    rsc = replace(FIRST, activity="rsc", topics={})
    assert refuse(alice, [FIRST, rsc]) == [Refusal("1.activity", "course-is-no-training")]
    stored = date(2026, 11, 14)
    days = [
        replace(FIRST, held_on=date(2026, 12, 25)),
        replace(FIRST, held_on=stored, minutes=1400),
        replace(FIRST, minutes=800),
        replace(FIRST, minutes=800),
    ]
    [first, *others] = refuse(alice, days)
    assert first.field == "1.held_on"
    assert others == [
        Refusal("2.minutes", "day-is-full", {"logged": 60, "held_on": stored}),
        Refusal("4.minutes", "day-is-full", {"logged": 800, "held_on": FIRST.held_on}),
    ]
    assert session.exec(select(Entry).filter_by(title=FIRST.title)).all() == []


def test_a_course_keeps_to_the_limit_of_a_day(act: Act, session: Session, cast: Cast) -> None:
    logged = [
        Entry(
            person_id=cast.people[ALICE],
            activity="training",
            held_on=date(2026, 6, 1) + timedelta(days=number),
            minutes=60,
            title="Talk",
            logged_at=NOW - timedelta(hours=23),
        )
        for number in range(DAILY_LIMIT - 1)
    ]
    session.add_all(logged)
    session.flush()
    limit = Refusal("1.minutes", "daily-limit-reached", {"limit": DAILY_LIMIT})
    assert refuse(act(ALICE), COURSE) == [limit]
    logged[0].logged_at = NOW - timedelta(days=1)
    assert len(create_course(act(ALICE), COURSE, CHECKED)) == 2


def test_what_looks_like_a_mistake_is_confirmed(act: Act) -> None:
    alice = act(ALICE)
    again = replace(FIRST, held_on=date(2026, 11, 10), minutes=40, topics={})
    [talk] = create_course(alice, [again], EntrySource("b" * 32))
    short = replace(FIRST, minutes=1, topics={})
    days = [FIRST, again, short, replace(FIRST, held_on=date(2026, 11, 19))]
    repeated, length, duplicate = f"{FIRST.held_on}again", "1min", str(talk.id)
    double = CourseWarning(again, EntryWarnings(duplicate=talk), is_repeated=False)
    few = CourseWarning(short, EntryWarnings(minutes=1), is_repeated=True)
    assert warn(alice, days) == [double, few]
    assert (double.keys, few.keys) == ((duplicate,), (length, repeated))
    left = CourseWarning(short, EntryWarnings(), is_repeated=True)
    assert warn(alice, days, duplicate, length) == [left]
    assert warn(alice, days, repeated, length) == [double]
    confirmed = EntrySource(KEY, confirmed=(duplicate, length, repeated))
    assert len(create_course(alice, days, confirmed)) == 4
