"""Files of a form are swept away at the moment at which it is saved."""

from datetime import timedelta

from sqlmodel import Session

from tests.support.cast import ALICE, NOW, Cast, acting
from tests.support.overlap import overlap
from tracker.db.engine import writing
from tracker.services.context import lock_person
from tracker.services.evidence import ReceivedFile, keep_files, remove_file, remove_old_drafts

FILE = ReceivedFile("proof.pdf", "application/pdf", 10, "a" * 64, "b" * 40)


def keep_draft(cast: Cast) -> int:
    """A file of a form that is not saved yet; its id."""
    with writing(cast.engine) as session:
        keep_files(acting(session, cast, ALICE), "key", [FILE], None)
    return int(cast.rows("evidence")[0]["id"])


def test_a_file_saved_meanwhile_is_not_swept(cast: Cast) -> None:
    keep_draft(cast)

    def save(session: Session) -> None:
        lock_person(session, cast.people[ALICE])
        keep_files(acting(session, cast, ALICE), "key", [], cast.entries["training"])

    _, swept = overlap(cast.engine, save, lambda s: remove_old_drafts(s, NOW + timedelta(days=2)))
    assert swept == []
    assert [row["entry_id"] for row in cast.rows("evidence")] == [cast.entries["training"]]


def test_a_file_is_removed_once(cast: Cast) -> None:
    file_id = keep_draft(cast)
    first, second = overlap(
        cast.engine,
        lambda s: remove_file(acting(s, cast, ALICE), file_id),
        lambda s: remove_file(acting(s, cast, ALICE), file_id),
    )
    assert (first is None, second) == (False, None)
