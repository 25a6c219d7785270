"""Changing many people at once: who can, who can't and why, and what is selected for it."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import select

from tests.services.conftest import Act
from tests.services.people.test_removals import refused_with
from tests.support.cast import ALICE, BOB, CAROL, DAN, DANA, ERIN, NOW, Cast
from tracker.db.ledgers import StandingRow
from tracker.db.lists import PeopleSelection, PersonMark
from tracker.db.people import Membership, Renewal, Waiver
from tracker.services.bulk_changes import (
    BulkChange,
    add_membership,
    extend,
    list_requirements,
    mark,
    waive,
)
from tracker.services.context import Actor, NotFound, Refusal, ServiceContext
from tracker.services.marks import add_mark, check_label
from tracker.services.memberships import MembershipTerm
from tracker.services.people_filter import apply_filter, parse_query
from tracker.services.people_list import PeopleRow, list_people
from tracker.services.selections import (
    MAX_ROWS,
    SelectedPeople,
    SelectedRow,
    create_selection,
    forget_selections,
    get_selection,
)

TODAY = date(2026, 11, 22)


def list_rows(carol: ServiceContext, query: str = "") -> list[PeopleRow]:
    people = list_people(carol.session, "NCIMHA", NOW, TODAY)
    return apply_filter(people, parse_query(query), TODAY).rows


def choose(carol: ServiceContext, query: str = "") -> SelectedPeople:
    selection_id = create_selection(carol, "NCIMHA", list_rows(carol, query))
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
    assert [each.is_done for each in bulk.outcomes] == [True, True, False, False]
    met, absent = (each.refusal for each in bulk.outcomes[2:])
    assert met == Refusal("requirement", "requirement-met")
    assert absent == Refusal("", "row-without-renewal")
    assert [each.requirement for each in grants] == ["training", "training"]
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
    assert bulk.outcomes[1].refusal == Refusal("", "same-person")
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
    assert bulk.outcomes[3].refusal == Refusal("label", "already-marked")
    marks = carol.session.exec(select(PersonMark)).all()
    assert {each.person_id for each in marks} == {cast.people[each] for each in (ALICE, BOB, DANA)}


def test_marks_of_other_associations_are_no_matter(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    mark = {"person_id": cast.people[ALICE], "label": "called", "marked_by": DAN, "marked_at": NOW}
    carol.session.add(PersonMark.model_validate({**mark, "association": "CT-AIMH"}))
    carol.session.flush()
    add_mark(carol, "NCIMHA", cast.people[ALICE], "called")
    assert len(carol.session.exec(select(PersonMark)).all()) == 2


def test_a_mark_is_short_and_not_empty() -> None:
    assert check_label("") == [Refusal("label", "mark-missing")]
    assert check_label("x" * 40) == []
    assert check_label("x" * 41) == [Refusal("label", "text-too-long", {"limit": 40})]


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
    assert (bulk.outcomes[0].now_status, bulk.outcomes[0].now_due_on) == ("", None)


def set_result(context: ServiceContext, outcome: str, status: str) -> None:
    """Let every stored training requirement come to something, and so its renewal."""
    for row in context.session.exec(select(StandingRow)):
        results = json.loads(row.requirements)
        own = [{**each, "outcome": outcome} for each in results if each["id"] == "training"]
        row.requirements, row.status = json.dumps(own), status
    context.session.flush()


@pytest.mark.parametrize("requirement", ["training", "rsc"])
def test_an_excused_requirement_is_not_waived(act: Act, cast: Cast, requirement: str) -> None:  # noqa: ARG001
    carol = act(CAROL)
    selection = choose(carol, "q=alice")
    set_result(carol, "excused", "open")
    bulk = BulkChange(selection, waive(requirement, "Ill"))
    assert bulk.run(carol) == []
    assert bulk.outcomes[0].refusal == Refusal("requirement", "requirement-not-asked")


def test_a_complete_renewal_is_not_extended(act: Act, cast: Cast) -> None:  # noqa: ARG001
    carol = act(CAROL)
    selection = choose(carol, "q=alice")
    set_result(carol, "met", "met")
    bulk = BulkChange(selection, extend(date(2027, 3, 31), "Storm"))
    assert bulk.run(carol) == []
    assert bulk.outcomes[0].refusal == Refusal("due_on", "renewal-met")


def test_a_renewal_that_is_gone_is_not_changed(act: Act, cast: Cast) -> None:  # noqa: ARG001
    carol = act(CAROL)
    selection = choose(carol, "q=alice")
    [row] = selection.rows
    gone = replace(selection, rows=(row._replace(key=row.key._replace(id=999)),))
    for change in (waive("training", "Ill"), extend(date(2027, 3, 31), "Storm")):
        bulk = BulkChange(gone, change)
        bulk.run(carol)
        assert bulk.outcomes[0].refusal == Refusal("", "row-gone")


def test_outcomes_are_those_of_the_preview(act: Act, cast: Cast) -> None:  # noqa: ARG001
    carol = act(CAROL)
    preview = BulkChange(choose(carol), waive("rsc", "No provider"))
    with carol.session.begin_nested() as nested:
        preview.run(carol)
        nested.rollback()
    carol.session.expire_all()
    seen = BulkChange(preview.selection, preview.change, expected=preview.digest)
    assert len(seen.run(carol)) == len(seen.changed) == 3
    again = BulkChange(preview.selection, preview.change, expected=preview.digest)
    refusal = refused_with(lambda: again.run(carol))
    assert refusal == Refusal("state", "changed-since-preview")
    # The coordinator has seen the new outcomes now, and nobody can be changed.
    nobody = BulkChange(preview.selection, preview.change, expected=again.digest)
    assert refused_with(lambda: nobody.run(carol)) == Refusal("rows", "nobody-can")


def test_requirements_of_the_selected_renewals_are_offered(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    session, alice = carol.session, cast.endorsements[ALICE]
    stored = session.get_one(StandingRow, (alice, date(2026, 1, 1)))
    training, rsc, *_ = json.loads(stored.requirements)
    # By the first day of the cycle: that of 2025 is not in the list.
    labels = {(alice, 2025): "Not selected", (alice, 2026): "Training"}
    for row in session.exec(select(StandingRow)):
        label = labels.get((row.endorsement_id, row.cycle_starts_on.year), "Trainings")
        own = {**training, "id": label[:8], "label": label}
        row.requirements = json.dumps([own, {**rsc, "outcome": "excused"}])
    session.flush()
    assert list_requirements(session, choose(carol, "q=alice")) == {"Training": "Training"}
    assert list_requirements(session, choose(carol)) == {"Training": "Training"}
    assert list_requirements(session, choose(carol, "q=dana")) == {}


def test_a_selection_is_its_makers_for_a_day(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    selection = choose(carol)
    assert selection.person_ids == [cast.people[each] for each in (BOB, ALICE, DANA)]
    day = timedelta(days=1)
    for actor, now in (
        (Actor("other@example.org", None, ("NCIMHA",)), NOW),
        (Actor(CAROL, None, ("CT-AIMH",)), NOW),
        (carol.actor, NOW + day),
    ):
        with pytest.raises(NotFound):
            get_selection(carol.session, actor, selection.id, now)
    almost = NOW + day - timedelta(seconds=1)
    assert forget_selections(carol.session, almost) == 0
    assert get_selection(carol.session, carol.actor, selection.id, almost) == selection
    choose(replace(carol, now=NOW + day))
    with pytest.raises(NotFound):
        get_selection(carol.session, carol.actor, selection.id, NOW)
    choose(replace(carol, now=NOW + day))
    assert forget_selections(carol.session, NOW + 2 * day) == 2


def test_a_selection_keeps_its_rows(act: Act, cast: Cast) -> None:  # noqa: ARG001
    carol = act(CAROL)
    rows = list_rows(carol)
    for query, is_whole in (("q=o", False), ("", True)):
        selection_id = create_selection(carol, "NCIMHA", rows, query, is_whole=is_whole)
        kept = get_selection(carol.session, carol.actor, selection_id, NOW)
        assert kept == SelectedPeople(
            selection_id,
            "NCIMHA",
            tuple(
                SelectedRow(row.key, row.person_id, row.name, row.status, row.due_on)
                for row in rows
            ),
            query,
            NOW,
            is_whole,
        )
    chosen = choose(carol)
    assert (chosen.query, chosen.is_whole) == ("", False)
    # Before an update, it did not say so.
    stored = carol.session.get_one(PeopleSelection, chosen.id)
    content = json.loads(stored.content)
    stored.content = json.dumps({"query": "", "rows": content["rows"]})
    assert get_selection(carol.session, carol.actor, chosen.id, NOW) == chosen


def test_a_selection_has_somebody_and_a_limit(act: Act, cast: Cast) -> None:
    carol = act(CAROL)
    nobody = refused_with(lambda: create_selection(carol, "NCIMHA", []))
    assert nobody == Refusal("rows", "nobody-selected")
    [row] = list_rows(carol, "status=vetted")
    create_selection(carol, "NCIMHA", [row] * MAX_ROWS)
    too_many = refused_with(lambda: create_selection(carol, "NCIMHA", [row] * (MAX_ROWS + 1)))
    assert too_many == Refusal("rows", "too-many-selected", {"limit": 5_000})
    with pytest.raises(NotFound):
        create_selection(carol, "CT-AIMH", [])
    assert cast.people[ERIN] not in choose(carol).person_ids
