"""Which changes of a person's records a coordinator sees on the timeline."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from tests.services.people.test_merging import add, rows
from tests.support.cast import ALICE, BOB, BOOKS, DANA, EVE, NOW, Cast
from tracker.services.coordinator_access import AccessWindow
from tracker.services.timeline_scope import RecordedChange, TimelineScope, Values, load_scope

OURS, OTHERS = "NCIMHA", "CT-AIMH"
JUNE, JULY = date(2026, 6, 30), date(2026, 7, 1)
SECOND = timedelta(seconds=1)
# The end of June 30 in New York.
MIDNIGHT = datetime(2026, 7, 1, 4, tzinfo=UTC)


def change(
    table: str, before: Values | None, after: Values | None, at: datetime = NOW, row_id: int = 7
) -> RecordedChange:
    return RecordedChange(at, "somebody", table, row_id, before, after)


def scope(**known: Any) -> TimelineScope:  # noqa: ANN401 - what it knows
    """What our coordinators see: 1 is ours, 2 the others', and what is held is held in June."""
    owners = ("endorsement", "application")
    return TimelineScope(
        {OURS},
        {OURS},
        [AccessWindow(OURS, held_to=JUNE)],
        [date(2025, 1, 1), JUNE],
        "America/New_York",
        association_of={(n, i): a for n in owners for i, a in ((1, OURS), (2, OTHERS))},
        **known,
    )


@pytest.mark.parametrize(
    ("table", "column", "own", "foreign"),
    [
        ("endorsement", "association", OURS, OTHERS),
        ("vetting", "association", OURS, OTHERS),
        ("registry_listing", "association", OURS, OTHERS),
        ("waiver", "endorsement_id", 1, 2),
        ("payment_share", "endorsement_id", 1, 2),
        ("settled_cycle", "endorsement_id", 1, 2),
        ("review", "application_id", 1, 2),
        ("membership", "organization", OURS, "ELSEWHERE"),
        ("entry", "held_on", "2026-06-30", "2026-07-01"),
        ("evidence", "entry_id", 1, 2),
    ],
)
def test_changes_are_visible_before_and_after(
    table: str, column: str, own: object, foreign: object
) -> None:
    seen = scope(held_on={1: JUNE, 2: JULY})
    visible, hidden = {column: own}, {column: foreign}
    for before, after in ((None, visible), (visible, None), (visible, {**visible, "title": "B"})):
        assert seen.shows(change(table, before, after))
    for before, after in ((None, hidden), (hidden, None), (visible, hidden), (hidden, visible)):
        assert not seen.shows(change(table, before, after))
    assert not seen.shows(change(table, {"title": "A"}, {"title": "B"}))


def test_only_known_tables_are_visible() -> None:
    assert scope().shows(change("person", None, {"name": "Alice"}))
    assert scope().shows(change("mail_off", {}, None))
    assert not scope().shows(change("second_factor", None, {"association": OURS}))


@pytest.mark.parametrize(
    ("table", "known"),
    [
        ("vetting", {"association_of": OURS}),
        ("leave", {"endorsement_of": 1}),
        ("reference", {"application_of": 1}),
    ],
)
def test_rows_are_visible_by_their_owner(table: str, known: dict[str, Any]) -> None:
    [(mapping, owner)] = known.items()
    seen = scope()
    getattr(seen, mapping)[table, 7] = owner
    assert seen.shows(change(table, {"reason": "A"}, {"reason": "B"}))
    assert not seen.shows(change(table, {"reason": "A"}, {"reason": "B"}, row_id=8))


def test_terms_and_settled_cycles_are_visible_by_their_id() -> None:
    seen = scope(organization_of={7: OURS, 8: "ELSEWHERE"})
    edit = {"ends_on": "2026-06-01"}, {"ends_on": "2026-06-02"}
    assert seen.shows(change("membership", *edit))
    assert not seen.shows(change("membership", *edit, row_id=8))
    # The events of a settled cycle have the id of the endorsement.
    assert seen.shows(change("settled_cycle", *edit, row_id=1))
    assert not seen.shows(change("settled_cycle", *edit, row_id=2))


def test_a_portfolio_is_visible_through_the_decision() -> None:
    degree = {"title": "MSW"}
    seen, never = scope(), scope()
    never.applied_until = []
    assert seen.shows(change("degree", None, degree, MIDNIGHT - SECOND))
    assert not seen.shows(change("degree", None, degree, MIDNIGHT))
    assert not never.shows(change("position", None, degree, MIDNIGHT - SECOND))
    seen.applied_until = [JUNE, None]
    assert seen.shows(change("position", degree, None, MIDNIGHT))


def test_changes_tell_about_deletedrows() -> None:
    seen = scope()
    note = {"note": "A"}, {"note": "B"}
    facts: list[tuple[str, dict[str, object]]] = [
        ("endorsement", {"association": OURS}),
        ("leave", {"endorsement_id": 1}),
    ]
    for table, values in facts:
        assert not seen.shows(change(table, *note))
        seen.learn([change(table, values, None), change(table, {**values, **note[0]}, None)])
        assert seen.shows(change(table, *note))
        # What is stored wins.
        seen.learn([change(table, {"association": OTHERS, "endorsement_id": 2}, None)])
        assert seen.shows(change(table, *note))
    seen.learn([change("entry", {"held_on": "2026-07-01"}, {"held_on": "2026-06-30"})])
    seen.learn([change("entry", {"title": "A"}, None)])
    seen.learn([change("evidence", None, {"held_on": "2026-07-01"})])
    assert seen.shows(change("evidence", None, {"entry_id": 7}))
    seen.learn([change("entry", {"held_on": "2026-07-01"}, None)])
    assert not seen.shows(change("evidence", {"entry_id": 7}, None))
    # Neither is about the owner of such rows.
    seen.learn([change("mail_off", None, {"association": OURS, "endorsement_id": 1})])
    assert ("mail_off", 7) not in {*seen.association_of, *seen.endorsement_of}


@pytest.mark.parametrize(
    ("table", "before", "after", "days"),
    [
        ("leave", {"starts_on": "2026-07-01"}, {"starts_on": "2026-06-30", "ends_on": None}, 2),
        ("renewal", None, {"cycle_starts_on": "2026-06-30", "extended_due_on": "2026-07-01"}, 2),
        ("application", None, {"decided_on": "2026-06-30"}, 1),
        ("entry", {"held_on": "2026-06-30", "ends_on": "2026-07-01"}, None, 2),
        ("evidence", None, {"entry_id": 4}, 1),
        ("evidence", {"entry_id": 4}, None, 1),
        ("evidence", {"entry_id": 5}, {"entry_id": 4}, 1),
        ("evidence", {"entry_id": 6}, None, 0),
        ("person", {"name": "Ann"}, {"name": "Anne"}, 0),
        ("entry", {"entry_id": 4}, None, 0),
    ],
)
def test_changes_are_about_the_days_they_name(
    table: str, before: Values | None, after: Values | None, days: int
) -> None:
    seen = scope(held_on={4: JUNE, 5: JULY})
    assert seen.days_of(change(table, before, after)) == (JUNE, JULY)[:days]


def test_the_scope_knows_the_rows_of_one_person(session: Session, cast: Cast) -> None:
    alice, bob = cast.people[ALICE], cast.people[BOB]
    applying = {"category": "IFS", "opened_on": JUNE, "state": "declined"}
    leaves, reviews = [], []
    for person_id, email, day in ((alice, ALICE, JULY), (bob, BOB, JUNE)):
        for association in (OURS, OTHERS):
            application_id = add(
                session,
                "application",
                person_id=person_id,
                association=association,
                decided_on=day,
                **applying,
            )
            review = {"requirement": "r", "accepted": True, "reviewed_by": "r", "reviewed_at": NOW}
            reviews.append(add(session, "review", application_id=application_id, **review))
        leave = {"kind": "leave", "starts_on": JUNE, "endorsement_id": cast.endorsements[email]}
        leaves.append(add(session, "leave", **leave))
        term = {"organization": "NCIMHA", "kind": "individual", "starts_on": date(2020, 1, 1)}
        add(session, "membership", person_id=person_id, **term)
    seen = load_scope(session, BOOKS, alice, ["GONE", OURS])
    assert (seen.associations, seen.organizations) == (["GONE", OURS], {OURS})
    assert seen.windows == [AccessWindow(OURS), AccessWindow(OURS, held_to=JULY, added_to=JULY)]
    assert (seen.applied_until, seen.zone) == ([JULY], "America/New_York")
    first, second, *_ = [row["id"] for row in rows(session, "application")]
    assert seen.association_of == {
        ("endorsement", cast.endorsements[ALICE]): OURS,
        ("application", first): OURS,
        ("application", second): OTHERS,
    }
    assert seen.endorsement_of == {("leave", leaves[0]): cast.endorsements[ALICE]}
    assert seen.application_of == {
        ("review", reviews[0]): first,
        ("review", reviews[1]): second,
    }
    terms = {row["id"]: OURS for row in rows(session, "membership", person_id=alice)}
    assert seen.organization_of == terms
    entries = rows(session, "entry", person_id=alice)
    assert seen.held_on == {row["id"]: row["held_on"] for row in entries}
    dana = load_scope(session, BOOKS, cast.people[DANA], [OTHERS, OURS])
    assert set(dana.association_of.values()) == {OURS}
    assert dana.organizations == {*BOOKS.accepted_by(OURS), *BOOKS.accepted_by(OTHERS)}
    assert load_scope(session, BOOKS, cast.people[EVE], ["GONE"]).zone == "UTC"
