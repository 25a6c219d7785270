"""Two records of one person are merged in the browser, and parted again."""

import pytest

from tests.support.cast import ALICE, BOB, CAROL, DANA, ERIN, Cast
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.desk_steps import change, preview, undo
from tracker.db.engine import writing
from tracker.db.tables import METADATA

TABLES = ("person", "endorsement", "entry", "membership", "standing", "vetting")


@pytest.fixture
def carol(web: WebClient) -> Visitor:
    return web.visit(CAROL)


def path_of(cast: Cast, kept: str, other: str) -> str:
    return f"/coordinator/person/{cast.people[kept]}/merge/{cast.people[other]}"


def test_the_other_record_is_found(web: WebClient, carol: Visitor) -> None:
    path = f"/coordinator/person/{web.cast.people[BOB]}/merge"
    assert "No one at your associations has a similar name" in text_of(carol.get(path))
    found = carol.get(f"{path}?q=alice")
    assert path_of(web.cast, BOB, ALICE) in found.text
    assert "Erin" not in carol.get(f"{path}?q={ERIN}").text.replace(ERIN, "")


def test_the_only_similar_record_is_compared_at_once(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    person = METADATA.tables["person"]
    rename = person.update().where(person.c.id == cast.people[ALICE])
    with writing(cast.engine) as session:
        session.connection().execute(rename.values(name="Bob Ossei"))
    path = f"/coordinator/person/{cast.people[BOB]}/merge"
    opened = carol.get(path)
    assert opened.headers["location"] == path_of(cast, BOB, ALICE)
    assert f'href="{path}?q="' in carol.follow(opened).text
    others = text_of(carol.get(f"{path}?q="))
    assert "Similar names" in others
    assert "Compare with Bob Ossei" in others
    rename = person.update().where(person.c.id == cast.people[DANA])
    with writing(cast.engine) as session:
        session.connection().execute(rename.values(name="Bob Osey"))
    assert "Compare with Bob Osey" in text_of(carol.get(path))


def test_both_records_stand_side_by_side(web: WebClient, carol: Visitor) -> None:
    text = text_of(carol.get(path_of(web.cast, BOB, ALICE)))
    for words in ("Bob Osei", "Alice Moreno", "Sessions logged 0 10", "This record stays"):
        assert words in text, words


def test_a_merge_is_previewed_saved_and_undone(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    before = {table: cast.rows(table) for table in TABLES}
    path = path_of(cast, BOB, ALICE)
    assert "Bob Osei" in text_of(preview(carol, path, {}))
    assert before == {table: cast.rows(table) for table in TABLES}
    saved = change(carol, path, {})
    assert cast.rows("person", email=ALICE) == []
    assert {row["person_id"] for row in cast.rows("entry") if row["activity"] == "rsc"} == {
        cast.people[BOB]
    }
    undo(carol, saved)
    assert before == {table: cast.rows(table) for table in TABLES}


def test_contradictions_are_said(web: WebClient, carol: Visitor) -> None:
    # Dana provided Alice's sessions, and nobody provides RSC to themselves.
    answer = carol.post(path_of(web.cast, ALICE, DANA), {"reason": "One person"})
    assert answer.status_code == 422
    assert "would name its own endorsee" in problems(answer)[0][1]


def test_foreign_records_are_absent(web: WebClient, carol: Visitor) -> None:
    for kept, other in ((ALICE, ERIN), (ERIN, ALICE), (ALICE, ALICE)):
        assert carol.get(path_of(web.cast, kept, other)).status_code == 404
