"""Files of forms and entries: who has them, how many fit, and how long they stay."""

import json
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.cast import ALICE, ATTESTING, BOB, BOOKS, CAROL, NOW, Cast
from tests.support.referees import apply
from tracker.db.desk import ChangedRow, DeskChange
from tracker.db.log import AuditEvent, Entry, Evidence
from tracker.db.people import Endorsement
from tracker.services.context import Refusal, Refused
from tracker.services.evidence import (
    FILES_PER_ENTRY,
    AuditTargets,
    FormFiles,
    ReceivedFile,
    add_audit_files,
    check_space,
    find_file_for_coordinator,
    find_own_file,
    keep_files,
    list_entry_files,
    list_form_files,
    list_kept_files,
    list_stored_names,
    move_drafts,
    release_files,
    remove_file,
    remove_old_drafts,
    share_files,
    stored_names,
    sum_sizes,
)

KEY, OTHER_KEY = "a" * 32, "b" * 32
QUOTA = 1000


def received(name: str, size: int = 10) -> ReceivedFile:
    return ReceivedFile(name, "application/pdf", size, f"hash of {name}", f"stored {name}")


def names(files: list[Evidence]) -> list[str]:
    return [file.name for file in files]


def get_file(session: Session, name: str) -> Evidence:
    return session.exec(select(Evidence).filter_by(name=name)).one()


def list_events(session: Session) -> Sequence[AuditEvent]:
    return session.exec(select(AuditEvent).order_by(col(AuditEvent.id))).all()


@pytest.fixture
def files(act: Act, cast: Cast) -> None:
    """Alice's files: of a closed year, of two entries, and of two forms; and a draft of Bob's."""
    alice = act(ALICE)
    keep_files(alice, "", [received("old", 600)], cast.entries["old"])
    keep_files(alice, KEY, [received("a")], cast.entries["training"])
    keep_files(alice, "", [received("b")], cast.entries["training"])
    keep_files(alice, "", [received("rsc")], cast.entries["rsc"])
    keep_files(alice, KEY, [received("draft")], None)
    keep_files(alice, OTHER_KEY, [received("other")], None)
    keep_files(act(BOB), KEY, [received("bob")], None)


@pytest.mark.usefixtures("files")
def test_a_form_shows_its_drafts_and_its_entry(session: Session, cast: Cast) -> None:
    alice, training = cast.people[ALICE], cast.entries["training"]
    forms = [FormFiles(KEY), FormFiles(KEY, training), FormFiles("new", training)]
    shown = [names(list_form_files(session, alice, form)) for form in forms]
    assert shown == [["draft"], ["a", "b", "draft"], ["a", "b"]]
    assert list_form_files(session, cast.people[BOB], FormFiles(entry_id=training)) == []


@pytest.mark.usefixtures("files")
def test_files_are_listed_by_entry(session: Session, cast: Cast) -> None:
    alice, training = cast.people[ALICE], cast.entries["training"]
    listed = list_entry_files(session, alice)
    assert {entry: [file.name for file in files] for entry, files in listed.items()} == {
        cast.entries["old"]: ["old"],
        training: ["a", "b"],
        cast.entries["rsc"]: ["rsc"],
    }
    file = get_file(session, "a")
    assert listed[training][0] == (file.id, "a", "stored a")
    assert list_entry_files(session, alice, training) == {training: listed[training]}
    assert list_entry_files(session, cast.people[BOB]) == {}


@pytest.mark.usefixtures("files")
def test_only_the_owner_and_their_coordinators_find_a_file(session: Session, cast: Cast) -> None:
    saved, draft = get_file(session, "rsc"), get_file(session, "draft")
    for file in (saved, draft):
        assert find_own_file(session, file.id, cast.people[ALICE]) == file
        assert find_own_file(session, file.id, cast.people[BOB]) is None
    found = [
        find_file_for_coordinator(session, BOOKS, file.id, [association])
        for file in (saved, draft)
        for association in ("NCIMHA", "CT-AIMH")
    ]
    assert found == [saved, None, None, None]


@pytest.mark.usefixtures("files")
def test_coordinators_find_files_of_their_time(session: Session, cast: Cast) -> None:
    alice, day = cast.people[ALICE], timedelta(days=1)
    held = session.get_one(Endorsement, cast.endorsements[ALICE])
    held.ends_on = session.get_one(Entry, cast.entries["training"]).held_on
    apply(session, alice, association="CT-AIMH", state="declined", decided_on=NOW.date())
    yesterday = NOW.date() - day
    apply(session, alice, association=ATTESTING, state="declined", decided_on=yesterday)
    for name, expected in (("a", ["NCIMHA", "CT-AIMH"]), ("rsc", ["CT-AIMH"])):
        file = get_file(session, name)
        finders = [
            association
            for association in ("NCIMHA", "CT-AIMH", ATTESTING)
            if find_file_for_coordinator(session, BOOKS, file.id, [association]) == file
        ]
        assert finders == expected


@pytest.mark.usefixtures("files")
def test_unsaved_files_are_listed_before_the_newest(session: Session, cast: Cast) -> None:
    kept = list_kept_files(session, BOOKS, cast.people[ALICE], NOW)
    order = ["draft", "other", "rsc", "a", "b", "old"]
    assert [each.file.name for each in kept] == order
    assert [each.title for each in kept[1:4]] == [None, "RSC", "Infant mental health week"]
    assert [each.held_on for each in kept[1:3]] == [None, date(2026, 11, 14)]
    assert [each.file.name for each in kept if each.is_closed] == ["old"]
    assert kept[-1].lock is not None
    assert sum_sizes(kept) == 650
    assert set(list_stored_names(session, cast.people[ALICE])) == {f"stored {n}" for n in order}
    assert stored_names(session) == {f"stored {name}" for name in (*order, "bob")}


@pytest.mark.usefixtures("files")
def test_storage_is_used_to_the_last_byte(act: Act, session: Session, cast: Cast) -> None:
    form = FormFiles(KEY, cast.entries["training"])
    # Files of a closed cycle take no storage; 50 bytes are used.
    fits, over = received("fits", QUOTA - 51), received("over", 2)
    last, empty = received("last", 1), received("none left", 1)
    facts = {"name": "over", "size": 2, "quota": QUOTA, "left": 1}
    assert check_space(act(ALICE), [fits, over, last, empty], form, QUOTA) == (
        [fits, last],
        [
            Refusal("files", "file-quota-exceeded", facts),
            Refusal(
                "files", "file-quota-exceeded", facts | {"name": "none left", "size": 1, "left": 0}
            ),
        ],
    )
    # A file that goes with the same save makes room; a lower limit leaves none.
    removed = FormFiles(KEY, cast.entries["training"], [get_file(session, "a").id])
    exact = received("exact", QUOTA - 40)
    assert check_space(act(ALICE), [exact], removed, QUOTA) == ([exact], [])
    [refusal] = check_space(act(ALICE), [last], form, 20)[1]
    assert refusal.facts["left"] == 0


@pytest.mark.usefixtures("files")
def test_an_entry_takes_ten_files(act: Act, session: Session, cast: Cast) -> None:
    # Three are there: two of the entry, and the draft.
    many = [received(str(number), 1) for number in range(FILES_PER_ENTRY - 2)]
    form = FormFiles(KEY, cast.entries["training"])
    facts = {"name": "7", "size": 1, "quota": QUOTA, "left": QUOTA - 57, "limit": FILES_PER_ENTRY}
    refusals = [Refusal("files", "file-limit-reached", facts)]
    assert check_space(act(ALICE), many, form, QUOTA) == (many[:-1], refusals)
    removed = FormFiles(form.form_key, form.entry_id, [get_file(session, "a").id])
    assert check_space(act(ALICE), many, removed, QUOTA) == (many, [])
    # Documents go to every entry, or to none.
    targets = AuditTargets(1, [cast.entries["training"], cast.entries["rsc"]], [])
    with pytest.raises(Refused) as refused:
        add_audit_files(act(ALICE), targets, [*many, received("last", 1)], QUOTA, str.title)
    assert [each.facts["name"] for each in refused.value.refusals] == ["last"]


def test_files_are_kept_once_and_saved_with_their_form(
    act: Act, session: Session, cast: Cast
) -> None:
    alice, training = act(ALICE), cast.entries["training"]
    again = received("a")._replace(name="again", stored_as="stored again")
    assert keep_files(alice, KEY, [received("a"), again], None) == {"stored again"}
    assert keep_files(alice, KEY, [received("a"), received("b")], training) == {"stored b"}
    assert keep_files(alice, OTHER_KEY, [received("a")], training) == set()
    rows = list_form_files(session, cast.people[ALICE], FormFiles(entry_id=training))
    described = [(row.name, row.size, row.form_key, row.added_at) for row in rows]
    assert described == [("again", 10, KEY, NOW), ("b", 10, KEY, NOW)]
    created, _, saved = list_events(session)
    values = {
        "person_id": cast.people[ALICE],
        "entry_id": None,
        "audit_case_id": None,
        "requirement": None,
        **again._asdict(),
    }
    assert (created.before, json.loads(created.after or "")) == (None, values)
    assert json.loads(saved.after or "") == values | {"entry_id": training}


@pytest.mark.usefixtures("files")
def test_days_of_a_course_get_copies(act: Act, session: Session, cast: Cast) -> None:
    alice, training, rsc = cast.people[ALICE], cast.entries["training"], cast.entries["rsc"]
    keep_files(act(ALICE), "", [received("a")._replace(stored_as="second a")], rsc)
    others = [rsc, cast.entries["unknown"]]
    share_files(act(ALICE), training, others, lambda name: f"{name}, {len(stored_names(session))}")
    shared = [list_form_files(session, alice, FormFiles(entry_id=entry)) for entry in others]
    assert [names(each) for each in shared] == [["rsc", "a", "b"], ["a", "b"]]
    copy, original = shared[0][-1], get_file_of(session, "b", training)
    assert copy.stored_as.startswith("stored b, ")
    different = {"id", "entry_id", "stored_as"}
    assert copy.model_dump(exclude=different) == original.model_dump(exclude=different)
    # Copies take the storage of one file.
    assert sum_sizes(list_kept_files(session, BOOKS, alice, NOW)) == 660
    events = session.exec(select(AuditEvent).filter_by(row_id=copy.id)).all()
    assert [json.loads(event.after or "")["stored_as"] for event in events] == [copy.stored_as]


def get_file_of(session: Session, name: str, entry_id: int) -> Evidence:
    return session.exec(select(Evidence).filter_by(name=name, entry_id=entry_id)).one()


@pytest.mark.usefixtures("files")
def test_unsaved_files_follow_their_form(act: Act, session: Session, cast: Cast) -> None:
    move_drafts(act(ALICE), KEY, "new")
    drafts = list_form_files(session, cast.people[ALICE], FormFiles("new"))
    assert names(drafts) == ["draft"]
    assert names(list_form_files(session, cast.people[BOB], FormFiles(KEY))) == ["bob"]


@pytest.mark.usefixtures("files")
def test_only_own_files_of_the_form_are_removed(act: Act, session: Session, cast: Cast) -> None:
    training = cast.entries["training"]
    file, draft, foreign = (get_file(session, name).id for name in ("a", "draft", "bob"))
    for number, entry_id in ((file, None), (file, cast.entries["rsc"]), (foreign, None)):
        assert remove_file(act(ALICE), number, entry_id) is None
    removed = [remove_file(act(ALICE), number, training) for number in (file, draft)]
    assert [each.name for each in removed if each] == ["a", "draft"]
    assert stored_names(session).isdisjoint({"stored a", "stored draft"})
    event = list_events(session)[-1]
    assert (event.table_name, event.row_id, event.who) == ("evidence", draft, ALICE)
    assert (event.at, event.after) == (NOW, None)
    assert json.loads(event.before or "") == {
        "person_id": cast.people[ALICE],
        "entry_id": None,
        "audit_case_id": None,
        "requirement": None,
        **received("draft")._asdict(),
    }


@pytest.mark.usefixtures("files")
def test_unsaved_files_stay_for_a_day(act: Act, session: Session, cast: Cast) -> None:
    [restorable] = session.exec(select(Evidence.id).filter_by(name="other"))
    change = DeskChange(association="NCIMHA", title="Merged", made_at=NOW, made_by=CAROL)
    session.add(change)
    session.flush()
    row_key = f"evidence:{restorable}"
    session.add(ChangedRow(change_id=change.id, name="", row_key=row_key, before="{}"))
    released = get_file(session, "rsc")
    released.added_at = NOW - timedelta(days=9)
    release_files(act(ALICE), cast.entries["rsc"])
    assert (released.entry_id, released.added_at) == (None, NOW)
    event = list_events(session)[-1]
    assert json.loads(event.before or "")["entry_id"] == cast.entries["rsc"]
    day = timedelta(days=1)
    assert remove_old_drafts(session, NOW + day) == []
    swept = remove_old_drafts(session, NOW + day + timedelta(seconds=1))
    assert names(swept) == ["rsc", "draft", "bob"]
    assert len(stored_names(session)) == 4
    events = list_events(session)[-3:]
    assert {event.who for event in events} == {"tracker"}
