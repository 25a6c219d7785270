"""What another rulebook would change is what happens once it is in force, and nothing is stored."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlmodel import col

from tests.support.cast import ALICE, BOB, BOOKS, CONFIG, DANA, NOW, Cast, fill
from tracker.db.engine import reading, writing
from tracker.db.ledgers import LAST_DAY
from tracker.db.people import Endorsement
from tracker.db.tables import METADATA
from tracker.notifications.comparison_text import format_kind, format_notice
from tracker.rulebooks import Rulebooks, load_notice_configs, read_changed_rulebook, with_rulebook
from tracker.rules.model import Rulebook
from tracker.rules.notices import Kind
from tracker.rules.readings import find_alternative, take_reading
from tracker.services.dashboard import count_renewals
from tracker.services.evaluation import evaluate_association, evaluate_people, judge_current
from tracker.services.rsc_providers import refresh_provider_spans
from tracker.services.rule_ends import refresh_rule_ends
from tracker.services.rules_comparison import (
    ComparisonInput,
    DueNotice,
    Effect,
    RulesComparison,
    compare_rules,
)
from tracker.services.settlements import settle_closed

TODAY = NOW.date()
_DAYS = select(col(Endorsement.id), LAST_DAY.label("last_day"))
NOTICES = load_notice_configs(CONFIG, ())
NCIMHA = (CONFIG / "rulebooks" / "ncimha.toml").read_text("utf-8")


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill(database_url)
    yield filled
    filled.engine.dispose()


def changed(text: str) -> Rulebooks:
    rulebook, problems = read_changed_rulebook(BOOKS, text, "ncimha.toml")
    assert problems == []
    assert rulebook is not None
    return with_rulebook(BOOKS, rulebook)


def compare(cast: Cast, rulebooks: Rulebooks, as_of: date = TODAY) -> RulesComparison:
    asked = ComparisonInput(BOOKS, rulebooks, NOTICES, "NCIMHA", as_of)
    return compare_rules(lambda: reading(cast.engine), asked)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_notice_has_words(kind: Kind) -> None:
    notice = DueNotice(Effect.ADDED, kind, 0, TODAY, 1, 1, "", "", "", "Dana Ruiz")
    assert format_kind(kind)
    assert format_notice(notice).endswith("November 22, 2026")


def test_same_rules_change_nothing(cast: Cast) -> None:
    comparison = compare(cast, changed(NCIMHA))
    assert comparison.standings == ()
    assert {notice.effect for notice in comparison.notices} <= {Effect.KEPT}


def test_counts_now_are_those_of_the_desk(cast: Cast) -> None:
    with reading(cast.engine) as session:
        counts = count_renewals(session, "NCIMHA", TODAY)
    assert compare(cast, changed(NCIMHA)).before == counts


def test_provider_rule_moves_hours(cast: Cast) -> None:
    """Dana is vetted: without vetting, Alice has no RSC hours at all."""
    text = NCIMHA.replace("until = 2027-12-21\n  source", "until = 2024-12-31\n  source")
    comparison = compare(cast, changed(text))
    current = [s for s in comparison.standings if s.email == ALICE and not s.flips]
    assert [standing.states for standing in current] == [("behind", "behind")]
    assert current[0].before is not None
    assert current[0].after is not None
    assert [item.minutes for item in current[0].before.short] == [60, 210]
    assert [item.minutes for item in current[0].after.short] == [60, 720]


def test_nothing_is_stored(cast: Cast) -> None:
    tables = ("standing", "provider_span", "notice", "outbox", "audit_event")
    before = {table: cast.rows(table) for table in tables}
    text = NCIMHA.replace("until = 2027-12-21\n  source", "until = 2024-12-31\n  source")
    compare(cast, changed(text))
    compare(cast, changed(text))
    assert {table: cast.rows(table) for table in tables} == before


def test_settled_cycle_does_not_flip(cast: Cast) -> None:
    changed_rules = changed(NCIMHA.replace("hours = 15", "hours = 20"))
    flipped = [(s.email, s.states) for s in compare(cast, changed_rules).standings if s.flips]
    assert (ALICE, ("met", "lapsed")) in flipped
    with writing(cast.engine) as session:
        standings = list(judge_current(session, BOOKS, lambda _: TODAY))
        settle_closed(session, BOOKS, standings, date(2025, 1, 1), lambda _: TODAY)
    flipped = [(s.email, s.states) for s in compare(cast, changed_rules).standings if s.flips]
    assert (ALICE, ("met", "lapsed")) not in flipped


def test_notices_that_follow_are_named(cast: Cast) -> None:
    """With a due date ten days later, the reminder of the due date is about that day."""
    text = NCIMHA.replace("due_days_after_end = 0", "due_days_after_end = 10")
    comparison = compare(cast, changed(text), date(2027, 1, 10))
    reminders = {(n.email, n.effect, n.due_on) for n in comparison.notices if n.step <= 0}
    assert (BOB, Effect.ADDED, date(2027, 1, 10)) in reminders
    assert (BOB, Effect.KEPT, date(2026, 12, 31)) not in reminders
    assert dict(comparison.count_notices())[Kind.RENEWAL][Effect.ADDED] >= 1


READINGS = [
    (interpretation.id, alternative.reading)
    for interpretation in BOOKS.associations["NCIMHA"].interpretations
    for alternative in interpretation.alternatives
]


@pytest.mark.parametrize(("name", "number"), READINGS)
def test_each_reading_can_be_tried(sqlite_url: str, name: str, number: int) -> None:
    cast = fill(sqlite_url)
    found = find_alternative(BOOKS.associations["NCIMHA"], name, number)
    assert found is not None
    rulebook, problems = take_reading(BOOKS.associations["NCIMHA"], found[1], "x")
    assert problems == []
    assert rulebook is not None
    compare(cast, with_rulebook(BOOKS, rulebook))
    cast.engine.dispose()


def _endorse(cast: Cast, number: int, starts_on: date, minutes: int, provider: int) -> None:
    """One more endorsee, with training and RSC in this year."""
    with writing(cast.engine) as session:

        def add(table: str, **values: object) -> int:
            found = METADATA.tables[table]
            statement = insert(found).values(**values).returning(found.c.id)
            return int(session.connection().execute(statement).scalar_one())

        person = add(
            "person",
            email=f"p{number}@example.org",
            name=f"Person {number}",
            highest_degree="none",
            provides_rsc=False,
        )
        add(
            "endorsement",
            person_id=person,
            association="NCIMHA",
            category="IFS",
            starts_on=starts_on,
        )
        for activity in ("training", "rsc"):
            add(
                "entry",
                person_id=person,
                activity=activity,
                held_on=date(2026, 6, 1),
                minutes=minutes,
                title="x",
                provider_id=provider if activity == "rsc" else None,
            )
        evaluate_people(session, BOOKS, {person}, NOW)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hours=st.sampled_from([1, 12, 40]),
    first=st.sampled_from(["no hours", "all hours", "fraction by month"]),
    until=st.sampled_from([date(2026, 5, 1), date(2027, 12, 21)]),
    people=st.lists(
        st.tuples(st.dates(date(2023, 1, 1), date(2026, 11, 1)), st.sampled_from([60, 720, 1200])),
        max_size=4,
    ),
)
def test_what_is_foreseen_comes_true(
    sqlite_url: str, hours: int, first: str, until: date, people: list[tuple[date, int]]
) -> None:
    """The counts after the change are those of the desk once the rulebook is in force."""
    cast = fill(sqlite_url)
    for number, (starts_on, minutes) in enumerate(people):
        _endorse(cast, number, starts_on, minutes, cast.people[DANA])
    text = (
        NCIMHA.replace("hours = 15", f"hours = {hours}")
        .replace('first_cycle = "no hours"', f'first_cycle = "{first}"')
        .replace("until = 2027-12-21\n  source", f"until = {until}\n  source")
    )
    rulebooks = changed(text)
    foreseen = compare(cast, rulebooks)
    with writing(cast.engine) as session:
        refresh_provider_spans(session, rulebooks)
        evaluate_association(session, rulebooks, "NCIMHA", NOW)
    with reading(cast.engine) as session:
        counts = count_renewals(session, "NCIMHA", TODAY)
    cast.engine.dispose()
    assert foreseen.after == counts


def test_an_end_by_rule_is_foreseen(cast: Cast) -> None:
    for number, starts_on in enumerate([date(2020, 1, 1), date(2025, 3, 1)], 50):
        _endorse(cast, number, starts_on, 60, cast.people[DANA])
    old = '"IFS" = { name = "Infant Family Specialist" }'
    rulebooks = changed(NCIMHA.replace(old, old.replace(" }", ", term_years = 2 }")))
    foreseen = compare(cast, rulebooks)
    assert foreseen.after != foreseen.before
    with writing(cast.engine) as session:
        refresh_rule_ends(session, rulebooks)
        refresh_provider_spans(session, rulebooks)
        evaluate_association(session, rulebooks, "NCIMHA", NOW)
    with reading(cast.engine) as session:
        assert foreseen.after == count_renewals(session, "NCIMHA", TODAY)
        ended = [row.last_day for row in session.connection().execute(_DAYS)]
    assert date(2021, 12, 31) in ended


def test_reading_leads_to_a_place_that_exists() -> None:
    rulebook = BOOKS.associations["NCIMHA"]
    data = rulebook.model_dump(by_alias=True, exclude_unset=True)
    data["interpretations"][0]["alternatives"] = [
        {"reading": 2, "set": {"cycles[9].years": 2}},
    ]
    wrong = Rulebook.model_validate(data)
    taken, problems = take_reading(wrong, wrong.interpretations[0].alternatives[0], "ncimha.toml")
    assert taken is None
    assert str(problems[0]) == "ncimha.toml: cycles[9].years: is not in this file"


def test_progress_is_reported_to_the_end(cast: Cast) -> None:
    seen: list[tuple[int, int]] = []
    asked = ComparisonInput(BOOKS, changed(NCIMHA), NOTICES, "NCIMHA", TODAY + timedelta(days=400))
    compare_rules(
        lambda: reading(cast.engine), asked, lambda done, total: seen.append((done, total))
    )
    assert seen == [(0, 2), (2, 2)]
