"""Lists of the changes of a desk: which there are, whose rows they changed, and for how long."""

from datetime import timedelta

import pytest

from tests.services.conftest import Act
from tests.services.desk.test_changes import ids, mark
from tests.support.cast import ALICE, BOB, CAROL, DAN, NOW, Cast
from tracker.db.desk import ChangedRow, DeskChange
from tracker.services.context import Refused, ServiceContext
from tracker.services.desk_changes import (
    MAY_UNDO_FOR,
    ChangePlan,
    UndoneRecord,
    apply_change,
    apply_difference,
    count_changes,
    find_change,
    find_saved,
    forget_old_rows,
    list_changes,
    list_made_within,
    list_people_of,
    list_reversed,
    may_undo,
    undo_change,
)


@pytest.fixture
def carol(act: Act) -> ServiceContext:
    return act(CAROL)


def add_change(context: ServiceContext, **values: object) -> DeskChange:
    known = {"association": "NCIMHA", "title": "Waive RSC", "made_at": NOW, "made_by": CAROL}
    change = DeskChange.model_validate({**known, **values})
    context.session.add(change)
    context.session.flush()
    return change


def add_row(context: ServiceContext, change: DeskChange, key: str, **values: object) -> None:
    known = {"change_id": change.id, "name": "Alice Moreno", "row_key": key}
    context.session.add(ChangedRow.model_validate({**known, **values}))
    context.session.flush()


def test_a_form_is_found_for_an_hour(carol: ServiceContext) -> None:
    made_at = NOW - timedelta(hours=1)
    change = add_change(carol, made_at=made_at + timedelta(seconds=1), form="a")
    assert find_saved(carol, "NCIMHA", "a") == change
    others = (
        {"association": "CT-AIMH"},
        {"made_at": made_at},
        {"made_by": DAN},
        {"form": "b"},
        {"undone_at": NOW, "undone_by": CAROL},
    )
    for values in others:
        with carol.session.begin_nested() as nested:
            change.sqlmodel_update(values)
            carol.session.flush()
            assert find_saved(carol, "NCIMHA", "a") is None
            nested.rollback()


def test_a_form_that_comes_twice_is_saved_once(carol: ServiceContext) -> None:
    plan = mark(carol, ALICE, form="a", reason="Asked for it")
    change = apply_change(carol, plan)
    stored = change.model_dump(exclude={"id", "undone_at", "undone_by", "undo_ended_at"})
    assert stored == {
        "association": "NCIMHA",
        "title": "Mark them",
        "reason": "Asked for it",
        "made_at": NOW,
        "made_by": CAROL,
        "form": "a",
    }
    assert apply_change(carol, plan, "a state") is change


def test_a_change_of_nothing_is_not_kept(carol: ServiceContext) -> None:
    earlier = apply_difference(carol, mark(carol, ALICE))
    assert earlier is not None
    nothing = ChangePlan("NCIMHA", "Nothing", ids(carol, BOB), ("waiver",), lambda _: None)
    assert apply_difference(carol, nothing) is None
    assert list_changes(carol.session, ["NCIMHA"], limit=9) == [earlier]
    with pytest.raises(Refused, match="changed-since-preview"):
        apply_difference(carol, nothing, "another state")


def test_changes_are_listed_newest_first(carol: ServiceContext) -> None:
    session = carol.session
    changes = [add_change(carol) for _ in range(3)]
    other = add_change(carol, association="CT-AIMH")
    assert list_changes(session, ["NCIMHA"], limit=2) == [changes[2], changes[1]]
    assert list_changes(session, ["NCIMHA"], skip=1, limit=1) == [changes[1]]
    assert (count_changes(session, ["NCIMHA"]), count_changes(session, ["CT-AIMH"])) == (3, 1)
    assert find_change(session, ["NCIMHA"], changes[0].id) == changes[0]
    assert find_change(session, ["NCIMHA"], other.id) is None
    assert find_change(session, ["NCIMHA"], other.id + 1) is None


def test_people_of_a_change_are_listed_once_by_name(carol: ServiceContext, cast: Cast) -> None:
    change, other = add_change(carol), add_change(carol)
    alice, bob = cast.people[ALICE], cast.people[BOB]
    undone = {"outcome": "changed", "note": "the record is gone"}
    for name, person_id, values in (
        ("Zoe Alder", alice, {}),
        ("Zoe Alder", alice, {}),
        ("Uma Bell", None, undone),
        ("Ann Bell", None, undone),
        ("Ann Bell", bob, {"outcome": "reversed"}),
    ):
        add_row(carol, change, "waiver:1", name=name, person_id=person_id, after="{}", **values)
    add_row(carol, other, "waiver:1", name="Cy Dale", after="{}")
    listed = list_people_of(carol.session, change.id)
    assert [each.name for each in listed] == ["Ann Bell", "Ann Bell", "Uma Bell", "Zoe Alder"]
    assert sorted(listed, key=str) == [
        UndoneRecord(alice, "Zoe Alder", "", ""),
        UndoneRecord(bob, "Ann Bell", "reversed", ""),
        UndoneRecord(None, "Ann Bell", "changed", "the record is gone"),
        UndoneRecord(None, "Uma Bell", "changed", "the record is gone"),
    ]


def test_changes_within_tables_are_the_actors_own(carol: ServiceContext) -> None:
    keys: tuple[list[str], ...] = (
        ["payment:1", "entry_topic:1:DEIA"],
        ["payment:2", "waiver:1"],
        [],
    )
    changes = [add_change(carol) for _ in keys]
    others = add_change(carol, made_by=DAN)
    for change, own in zip([*changes, others], [*keys, ["payment:3"]], strict=True):
        for key in own:
            add_row(carol, change, key, after="{}")
    tables = ("payment", "entry_topic")
    made = list_made_within(carol.session, [*changes, others], CAROL, tables)
    assert made == {changes[0].id}


def test_reversed_rows_are_those_that_a_change_wrote(carol: ServiceContext) -> None:
    change, other = add_change(carol), add_change(carol)
    add_row(carol, change, "waiver:1", after="{}", outcome="reversed")
    add_row(carol, change, "imported_row:2:x", after="{}", outcome="reversed")
    add_row(carol, change, "waiver:3", before="{}", after="{}", outcome="reversed")
    add_row(carol, change, "waiver:4", before="{}", outcome="reversed")
    add_row(carol, change, "waiver:5", after="{}", outcome="changed")
    add_row(carol, other, "waiver:6", after="{}", outcome="reversed")
    assert list_reversed(carol.session, change.id) == [("waiver", 1), ("waiver", 3)]


def test_a_change_can_be_undone_for_thirty_days(carol: ServiceContext) -> None:
    change = add_change(carol, made_at=NOW - MAY_UNDO_FOR + timedelta(seconds=1))
    assert may_undo(change, NOW)
    assert not may_undo(change, NOW + timedelta(seconds=1))
    assert not may_undo(add_change(carol, undone_at=NOW, undone_by=CAROL), NOW)
    assert not may_undo(add_change(carol, undo_ended_at=NOW), NOW)


def test_rows_are_forgotten_with_the_undo(carol: ServiceContext) -> None:
    session = carol.session
    old, recent = (add_change(carol, made_at=NOW - MAY_UNDO_FOR + timedelta(n)) for n in (0, 1))
    for change in (old, recent):
        add_row(carol, change, "waiver:1", after="{}")
    assert forget_old_rows(session, NOW) == 1
    assert list_people_of(session, old.id) == []
    assert len(list_people_of(session, recent.id)) == 1
    add_row(carol, old, "waiver:1", after="{}")
    change = apply_change(carol, mark(carol, ALICE))
    assert list_people_of(session, old.id) == []
    [record] = undo_change(carol, change.id)
    assert record.outcome == "reversed"
