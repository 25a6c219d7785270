"""Changing many people at once: who can, who can't and why, and what is selected for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import select

from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, NOW, Cast
from tracker.db.ledgers import StandingRow
from tracker.db.lists import PersonMark
from tracker.db.people import Membership, Renewal, Waiver
from tracker.services.bulk_changes import BulkChange, add_membership, extend, mark, waive
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.memberships import MembershipTerm
from tracker.services.people_filter import apply_filter, parse_query
from tracker.services.people_list import list_people
from tracker.services.selections import SelectedPeople, create_selection, get_selection

Act = Callable[[str], ServiceContext]
TODAY = date(2026, 11, 22)


def choose(carol: ServiceContext, query: str = "") -> SelectedPeople:
    people = list_people(carol.session, "NCIMHA", NOW, TODAY)
    rows = apply_filter(people, parse_query(query), TODAY).rows
    selection_id = create_selection(carol, "NCIMHA", rows)
    return get_selection(carol.session, carol.actor, selection_id, carol.now)


def outcomes(bulk: BulkChange) -> list[tuple[str, str]]:
    return [
        (outcome.row.name, outcome.refusal.code if outcome.refusal else "done")
        for outcome in bulk.outcomes
    ]


def test_a_requirement_is_waived_for_all_who_can(act: Act, cast: Cast) -> None:  # noqa: ARG001
    carol = act(CAROL)
    bulk = BulkChange(choose(carol), waive("training", "Conference was canceled"))
    grants = bulk.run(carol)
    assert outcomes(bulk) == [
        ("Bob Osei", "done"),
        ("Bob Osei", "done"),
        ("Alice Moreno", "requirement-met"),
        ("Dana Ruiz", "row-without-renewal"),
    ]
    assert len(grants) == len(bulk.changed) == len(carol.session.exec(select(Waiver)).all()) == 2
    again = BulkChange(bulk.selection, waive("training", "Twice"))
    again.run(carol)
    assert [code for _, code in outcomes(again)][:2] == ["already-waived", "already-waived"]
    assert again.changed == []


def test_standings_follow_at_the_end(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    BulkChange(choose(carol, "status=behind"), waive("rsc", "No provider")).run(carol)
    for email in (ALICE, BOB):
        query = select(StandingRow).filter_by(endorsement_id=cast.endorsements[email])
        rows = carol.session.exec(query).all()
        assert '"id": "rsc"' in rows[-1].requirements
        assert '"waived"' in rows[-1].requirements


def test_a_due_date_is_extended_where_it_is_later(act: Act, cast: Cast) -> None:  # noqa: ARG001
    carol = act(CAROL)
    bulk = BulkChange(choose(carol), extend(date(2026, 12, 31), "Storm"))
    bulk.run(carol)
    assert outcomes(bulk) == [
        ("Bob Osei", "done"),
        ("Bob Osei", "due-date-not-later"),
        ("Alice Moreno", "due-date-not-later"),
        ("Dana Ruiz", "row-without-renewal"),
    ]
    assert len(carol.session.exec(select(Renewal)).all()) == 1


def test_a_membership_is_added_once_a_person(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    term = MembershipTerm("NCIMHA", date(2026, 7, 1), date(2027, 6, 30))
    bulk = BulkChange(choose(carol), add_membership(term), once=True)
    bulk.run(carol)
    assert outcomes(bulk) == [
        ("Bob Osei", "done"),
        ("Bob Osei", "same-person"),
        ("Alice Moreno", "recorded-membership-overlaps"),
        ("Dana Ruiz", "done"),
    ]
    query = select(Membership).filter_by(person_id=cast.people[BOB])
    assert carol.session.exec(query).one().recorded_by is None


def test_people_are_marked_in_the_coordinators_words(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    BulkChange(choose(carol, "q=dana&status=vetted"), mark("NCIMHA", "called"), once=True).run(
        carol
    )
    bulk = BulkChange(choose(carol), mark("NCIMHA", "Called"), once=True)
    bulk.run(carol)
    assert [code for _, code in outcomes(bulk)] == ["done", "same-person", "done", "already-marked"]
    marks = carol.session.exec(select(PersonMark)).all()
    assert {each.person_id for each in marks} == {cast.people[each] for each in (ALICE, BOB, DANA)}


def test_nobody_changes_their_own_record(act: Act, cast: Cast) -> None:
    own = replace(act(ALICE), actor=Actor(ALICE, cast.people[ALICE], ("NCIMHA",)))
    bulk = BulkChange(choose(own, "status=behind"), waive("training.deia", "Ill"))
    bulk.run(own)
    assert outcomes(bulk) == [("Bob Osei", "done"), ("Alice Moreno", "own-decision")]


def test_who_changed_since_is_shown(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    selection = choose(carol, "status=behind")
    BulkChange(choose(carol, "q=alice"), extend(date(2027, 3, 31), "Moved")).run(carol)
    bulk = BulkChange(selection, waive("training.deia", "Ill"))
    bulk.run(carol)
    assert [(each.row.name, each.has_moved) for each in bulk.outcomes] == [
        ("Bob Osei", False),
        ("Alice Moreno", True),
    ]
    assert bulk.outcomes[1].now_due_on == date(2027, 3, 31)
    query = select(StandingRow).filter_by(endorsement_id=cast.endorsements[BOB])
    for row in carol.session.exec(query).all():
        carol.session.delete(row)
    carol.session.flush()
    bulk.run(carol)
    assert bulk.outcomes[0].has_moved


def test_a_selection_is_its_makers_for_a_day(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    selection = choose(carol)
    assert selection.person_ids == [cast.people[each] for each in (BOB, ALICE, DANA)]
    for actor, now in (
        (Actor("other@example.org", None, ("NCIMHA",)), NOW),
        (Actor(CAROL, None, ("CT-AIMH",)), NOW),
        (carol.actor, NOW + timedelta(days=1)),
    ):
        with pytest.raises(NotFound):
            get_selection(carol.session, actor, selection.id, now)
    later = replace(carol, now=NOW + timedelta(days=1, minutes=1))
    choose(later)
    with pytest.raises(NotFound):
        get_selection(carol.session, carol.actor, selection.id, NOW)


def test_a_selection_has_somebody(act: Act, cast: Cast) -> None:
    with pytest.raises(Refused):
        create_selection(act(CAROL), "NCIMHA", [])
    with pytest.raises(NotFound):
        create_selection(act(CAROL), "CT-AIMH", [])
    assert cast.people[ERIN] not in choose(act(CAROL)).person_ids
