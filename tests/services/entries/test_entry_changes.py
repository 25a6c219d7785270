"""Updates and deletions of a person's own entries."""

import json
from dataclasses import replace
from datetime import date

import pytest

from tests.services.entries.test_entry_writes import (
    TRAINING,
    codes,
    counted,
    create,
    decision,
    delete,
    find,
    update,
)
from tests.support.cast import ALICE, DANA, Cast
from tracker.db.engine import writing
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Refusal, Refused
from tracker.services.entries import NeedsConfirmation, entry_input_of, entry_version
from tracker.services.entry_rules import EntryInput


@pytest.mark.parametrize(
    "change",
    [{"minutes": 60}, {"title": "B"}, {"topics": {}}, {"topics": {"DEIA": 61}}, {"reference": None},
     {"held_on": date(2026, 11, 19)}],
)  # fmt: skip
def test_any_change_gives_an_entry_another_version(cast: Cast, change: dict[str, object]) -> None:
    entry = create(cast, ALICE, TRAINING)
    changed = LoggedEntry(**{**entry._asdict(), **change})
    assert entry_version(changed) != entry_version(entry)
    assert len(entry_version(entry)) == 32  # the length of its columns
    both = entry._replace(topics={"DEIA": 60, "RSC": 30})
    reordered = entry._replace(topics={"RSC": 30, "DEIA": 60})
    assert entry_version(both) == entry_version(reordered)


def test_a_change_from_an_old_version_is_refused(cast: Cast) -> None:
    entry = create(cast, ALICE, TRAINING)
    old = entry_version(entry)
    changed = update(cast, ALICE, entry.id, replace(TRAINING, minutes=90), old)
    with pytest.raises(Refused) as refused:
        update(cast, ALICE, entry.id, TRAINING, old)
    facts = {"minutes": 90, "held_on": TRAINING.held_on, "version": entry_version(changed)}
    assert refused.value.refusals == (Refusal("version", "entry-changed-meanwhile", facts),)
    assert cast.rows("entry", id=entry.id)[0]["minutes"] == 90


def test_an_update_replaces_the_whole_entry(cast: Cast) -> None:
    entry = create(cast, ALICE, replace(TRAINING, topics={"DEIA": 30}))
    other = create(cast, ALICE, TRAINING, "other")
    rsc = EntryInput("rsc", date(2026, 11, 19), 60, "", cast.people[DANA], format="group")
    updated = update(cast, ALICE, entry.id, rsc, entry_version(entry))
    assert updated == find(cast, ALICE, entry.id)
    assert entry_input_of(updated) == replace(rsc, title="Group RSC")
    assert find(cast, ALICE, other.id) == other
    assert counted(cast, ALICE, "training.deia") == 60
    assert counted(cast, ALICE, "rsc") == 510 + 60


def test_an_update_checks_the_provider_too(cast: Cast) -> None:
    stored = find(cast, ALICE, cast.entries["rsc"])
    own = replace(entry_input_of(stored), provider_id=cast.people[ALICE])
    with pytest.raises(Refused) as refused:
        update(cast, ALICE, stored.id, own, entry_version(stored))
    assert codes(refused) == [("provider", "provider-is-self")]
    before_vetting = replace(entry_input_of(stored), held_on=date(2019, 12, 31))
    with pytest.raises(NeedsConfirmation) as needed:
        update(cast, ALICE, stored.id, before_vetting, entry_version(stored))
    assert needed.value.warnings.keys == (f"{cast.people[DANA]}@2019-12-31",)


def test_decisions_about_a_deleted_entry_are_on_record(cast: Cast) -> None:
    entry = create(cast, ALICE, replace(TRAINING, topics={}))
    with writing(cast.engine) as session:
        session.add(decision(entry, "CT-AIMH", "Twice"))
    delete(cast, ALICE, entry.id)
    [event] = cast.rows("audit_event", table_name="entry_decision")
    assert json.loads(event["before"])["reason"] == "Twice"


def test_a_deleted_entry_no_longer_counts(cast: Cast) -> None:
    delete(cast, ALICE, cast.entries["training"])
    assert counted(cast, ALICE, "training") == 0


def test_the_edited_entry_does_not_fill_its_own_day(cast: Cast) -> None:
    stored = find(cast, ALICE, cast.entries["training"])
    longer = replace(entry_input_of(stored), minutes=720)
    assert update(cast, ALICE, stored.id, longer, entry_version(stored)).minutes == 720
