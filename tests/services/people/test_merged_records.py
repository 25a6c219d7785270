"""Which records were merged into a person's, and which came back."""

import json
from typing import Any

from sqlmodel import Session

from tests.support.cast import ALICE, BOB, DANA, EVE, NOW, Cast
from tracker.db.corrections import Removal
from tracker.services.merged_records import (
    list_merged_records,
    list_record_ids,
    list_undone_merges,
)
from tracker.services.merging import MERGE

FIRST, SECOND = ({"id": number, "name": f"Fay {number}"} for number in (901, 902))


def remove(
    session: Session,
    person_id: int,
    merged: dict[str, Any] | None,
    kind: str = MERGE,
    *,
    is_undone: bool = False,
) -> int:
    """Store what undoes a merge, or another change if there is no record that was merged."""
    rows = [["person", merged], ["former_email", {"email": "fay@example.org"}]]
    removal = Removal(
        person_id=person_id,
        kind=kind,
        description="",
        reason="",
        removed_at=NOW,
        removed_by="tracker person",
        undone_at=NOW if is_undone else None,
        content=json.dumps({"rows": rows} if merged else {"changed": []}),
    )
    session.add(removal)
    session.flush()
    return removal.id


def test_merged_records_are_found_through_others(session: Session, cast: Cast) -> None:
    alice, bob, dana, eve = (cast.people[each] for each in (ALICE, BOB, DANA, EVE))
    merged = {"id": eve, "name": "Eve Chen"}
    remove(session, alice, merged)
    remove(session, eve, FIRST)
    remove(session, alice, SECOND)
    remove(session, alice, {"id": dana}, is_undone=True)
    remove(session, alice, None, "decided reference")
    remove(session, bob, {"id": 903})
    found = sorted(list_merged_records(session, alice), key=lambda each: int(each["id"]))
    assert found == [merged, FIRST, SECOND]
    assert list_record_ids(session, alice) == {alice, eve, 901, 902}
    assert list_record_ids(session, dana) == {dana}


def test_undone_merges_are_found_by_the_merged_record(session: Session, cast: Cast) -> None:
    alice, bob, dana, eve = (cast.people[each] for each in (ALICE, BOB, DANA, EVE))
    undone = remove(session, alice, {"id": eve}, is_undone=True)
    remove(session, alice, {"id": dana})
    remove(session, alice, {"id": eve}, "person", is_undone=True)
    remove(session, alice, None, is_undone=True)  # as after an erasure
    found = {each: list_undone_merges(session, each) for each in (alice, bob, dana, eve)}
    assert {person_id: [each.id for each in those] for person_id, those in found.items()} == {
        **{each: [] for each in (alice, bob, dana)},
        eve: [undone],
    }
