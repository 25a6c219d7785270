"""A person's page: what it shows, and each fact corrected, undone, and refused."""

from datetime import date

import pytest
from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, CAROL, DAN, DANA, ERIN, EVE, Cast
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.desk_steps import change, day, find_form, preview, save, undo
from tracker.db.engine import writing
from tracker.db.tables import METADATA

NEW = "alice.new@example.org"


@pytest.fixture
def carol(web: WebClient) -> Visitor:
    return web.visit(CAROL)


def path_of(cast: Cast, email: str = ALICE) -> str:
    return f"/coordinator/person/{cast.people[email]}"


def person(cast: Cast, email: str = ALICE) -> dict[str, object]:
    [row] = cast.rows("person", id=cast.people[email])
    return row


def share(cast: Cast, email: str) -> None:
    """Let a person also hold something at an association that Carol does not coordinate."""
    with writing(cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["endorsement"]).values(
                person_id=cast.people[email],
                association="CT-AIMH",
                category="IFS",
                starts_on=date(2025, 1, 1),
            )
        )


def test_the_page_shows_the_standing_and_every_fact(web: WebClient, carol: Visitor) -> None:
    text = text_of(carol.get(path_of(web.cast)))
    for shown in (
        "Alice Moreno",
        ALICE,
        "alice@home.example",
        "8.5 of 12 hours",
        "NCIMHA IFS",
        "Dana Ruiz",
        "Jo Hart Not on file",
        "Master's",
        "Change provides RSC",
    ):
        assert shown in text, shown


def test_the_year_and_the_record_link_to_each_other(web: WebClient, carol: Visitor) -> None:
    year = f"/coordinator/people/{web.cast.endorsements[ALICE]}"
    assert f'href="{year}"' in carol.get(path_of(web.cast)).text
    assert f'href="{path_of(web.cast)}"' in carol.get(year).text


def test_a_name_is_corrected_and_the_change_undone(web: WebClient, carol: Visitor) -> None:
    saved = change(carol, f"{path_of(web.cast)}/change/name", {"name": "Alice Diaz"})
    assert "Saved." in text_of(saved)
    assert person(web.cast)["name"] == "Alice Diaz"
    undo(carol, saved)
    assert person(web.cast)["name"] == "Alice Moreno"


def test_a_change_is_undone_after_the_one_that_followed(web: WebClient, carol: Visitor) -> None:
    earlier, later = (
        change(carol, f"{path_of(web.cast)}/change/name", {"name": name})
        for name in ("Alice Diaz", "Alice Park")
    )
    kept = undo(carol, earlier)
    assert "Nothing was undone. The table says why." in text_of(kept)
    undo(carol, later)
    undo(carol, kept)
    assert person(web.cast)["name"] == "Alice Moreno"


def test_the_former_address_is_told(web: WebClient, carol: Visitor) -> None:
    alice = web.visit(ALICE)
    shown = preview(carol, f"{path_of(web.cast)}/change/email", {"email": NEW})
    assert f"To {ALICE}" in text_of(shown)
    save(carol, shown)
    assert person(web.cast)["email"] == NEW
    assert [(row["recipient"], row["kind"]) for row in web.cast.rows("outbox")] == [
        (ALICE, "address")
    ]
    assert alice.get("/my-year").status_code == 303


def test_an_undone_address_signs_in_no_more(web: WebClient, carol: Visitor) -> None:
    saved = change(carol, f"{path_of(web.cast)}/change/email", {"email": NEW})
    stranger = web.visit(NEW)
    assert stranger.get("/my-year").status_code == 200
    undo(carol, saved)
    assert person(web.cast)["email"] == ALICE
    assert stranger.get("/my-year").status_code == 303
    assert {row["state"] for row in web.cast.rows("outbox")} == {"dropped"}


def test_a_second_address_is_given_and_removed(web: WebClient, carol: Visitor) -> None:
    path = path_of(web.cast, BOB)
    change(carol, f"{path}/change/second-email", {"email": "Bob@Home.example"})
    assert person(web.cast, BOB)["second_email"] == "bob@home.example"
    saved = change(carol, f"{path}/change/no-second-email", {})
    assert person(web.cast, BOB)["second_email"] is None
    undo(carol, saved)
    assert person(web.cast, BOB)["second_email"] == "bob@home.example"


def test_the_second_address_becomes_the_first(web: WebClient, carol: Visitor) -> None:
    before = person(web.cast)
    saved = change(carol, f"{path_of(web.cast)}/change/first-email", {})
    after = person(web.cast)
    assert (after["email"], after["second_email"]) == ("alice@home.example", None)
    undo(carol, saved)
    assert person(web.cast) == before


def test_no_second_address_becomes_no_first(web: WebClient, carol: Visitor) -> None:
    answer = carol.post(f"{path_of(web.cast, BOB)}/change/first-email", {"reason": "A call"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("fact", "typed", "column", "value"),
    [
        ("degree", {"degree": "doctorate"}, "highest_degree", "doctorate"),
        ("rsc", {"provides": "yes"}, "provides_rsc", True),
    ],
)
def test_a_fact_is_changed(
    web: WebClient, carol: Visitor, fact: str, typed: dict[str, str], column: str, value: object
) -> None:
    change(carol, f"{path_of(web.cast)}/change/{fact}", typed)
    assert person(web.cast)[column] == value


@pytest.mark.parametrize(
    ("fact", "typed", "field", "words"),
    [
        ("name", {"name": ""}, "name", "Enter the person's full name"),
        ("name", {"name": "Alice", "reason": ""}, "reason", "Enter a short reason"),
        ("email", {"email": "nobody"}, "email", "Enter an email address, like name@example.org"),
        ("email", {"email": ALICE}, "email",
         "That is already the person's first address. Enter a different one."),
        ("degree", {"degree": "emperor"}, "degree", "Choose from the list"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_the_field(
    web: WebClient, carol: Visitor, fact: str, typed: dict[str, str], field: str, words: str
) -> None:
    path = f"{path_of(web.cast)}/change/{fact}"
    answer = carol.post(path, {"reason": "A call", **typed})
    assert answer.status_code == 422
    assert (field, words) in [(f, w.replace("&#39;", "'")) for f, w in problems(answer)]


def test_no_category_is_chosen_by_itself(web: WebClient, carol: Visitor) -> None:
    path = f"{path_of(web.cast)}/add/endorsement"
    assert '<option value="">Choose</option>' in carol.get(path).text.replace(" selected", "")
    typed = {"what": "", "reason": "A call", **day("starts", 2, 1, 2026)}
    answer = carol.post(path, typed)
    assert problems(answer) == [("what", "Choose one from the list")]


def test_an_endorsement_is_added_ended_and_removed(web: WebClient, carol: Visitor) -> None:
    cast, path = web.cast, path_of(web.cast)
    added = change(
        carol, f"{path}/add/endorsement", {"what": "NCIMHA/IFA", **day("starts", 2, 1, 2026)}
    )
    [row] = cast.rows("endorsement", category="IFA")
    days = {**day("starts", 2, 1, 2026), **day("ends", 10, 31, 2026)}
    change(carol, f"{path}/change/endorsement/{row['id']}", days)
    assert cast.rows("endorsement", category="IFA")[0]["ends_on"] == date(2026, 10, 31)
    removed = change(carol, f"{path}/remove/endorsement/{row['id']}", {})
    assert cast.rows("endorsement", category="IFA") == []
    undo(carol, removed)
    assert cast.rows("endorsement", category="IFA")[0]["ends_on"] == date(2026, 10, 31)
    assert "Kept" in text_of(undo(carol, added))


def test_the_preview_says_what_a_membership_does(web: WebClient, carol: Visitor) -> None:
    path = f"{path_of(web.cast, BOB)}/add/membership"
    typed = {"what": "NCIMHA", **day("starts", 1, 1, 2026), **day("ends", 12, 31, 2026)}
    assert "membership" in text_of(preview(carol, path, typed))
    change(carol, path, typed)
    assert len(web.cast.rows("membership", person_id=web.cast.people[BOB])) == 1


def test_a_removed_endorsement_comes_back_whole(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    held = cast.endorsements[ALICE]
    before = {table: cast.rows(table) for table in ("endorsement", "standing", "entry")}
    removed = change(carol, f"{path_of(cast)}/remove/endorsement/{held}", {})
    assert cast.rows("standing", endorsement_id=held) == []
    # She belongs to nobody's association then, so the change has a page of its own.
    undo(carol, removed)
    assert before == {table: cast.rows(table) for table in before}


def test_a_vetting_is_ended(web: WebClient, carol: Visitor) -> None:
    [row] = web.cast.rows("vetting")
    days = {**day("starts", 1, 1, 2020), **day("ends", 2, 28, 2026)}
    path = f"{path_of(web.cast, DANA)}/change/vetting/{row['id']}"
    assert "Alice Moreno" in text_of(preview(carol, path, days))
    change(carol, path, days)
    assert web.cast.rows("vetting")[0]["ends_on"] == date(2026, 2, 28)


def test_overlapping_days_are_refused(web: WebClient, carol: Visitor) -> None:
    path = f"{path_of(web.cast)}/add/endorsement"
    typed = {"what": "NCIMHA/IFS", "reason": "x", **day("starts", 2, 1, 2026)}
    [(field, words)] = problems(carol.post(path, typed))
    assert field == "starts_day"
    assert words.startswith("NCIMHA IFS is on record from March 1, 2024 on.")


def test_a_shared_person_keeps_what_is_shared(web: WebClient, carol: Visitor) -> None:
    share(web.cast, ALICE)
    shown = carol.get(path_of(web.cast))
    assert "also belongs to another association" in text_of(shown)
    assert "/change/name" not in shown.text
    assert "CT-AIMH" not in text_of(shown)
    answer = carol.post(f"{path_of(web.cast)}/change/name", {"name": "X", "reason": "y"})
    assert answer.status_code == 422
    assert person(web.cast)["name"] == "Alice Moreno"


@pytest.mark.parametrize("email", [ERIN, EVE])
def test_foreign_people_have_no_page(web: WebClient, carol: Visitor, email: str) -> None:
    for path in ("", "/change/name", "/add/endorsement", "/merge"):
        absent = carol.get(f"/coordinator/person/999999{path}")
        foreign = carol.get(f"{path_of(web.cast, email)}{path}")
        assert (foreign.status_code, foreign.content) == (404, absent.content)


def test_a_row_of_another_person_is_absent(web: WebClient, carol: Visitor) -> None:
    bobs = web.cast.endorsements[BOB]
    erins = web.cast.endorsements[ERIN]
    for row_id in (bobs, erins, 999_999):
        for action in ("change", "remove"):
            path = f"{path_of(web.cast)}/{action}/endorsement/{row_id}"
            assert carol.get(path).status_code == 404


def test_two_coordinators_at_once_do_not_overwrite_each_other(
    web: WebClient, carol: Visitor
) -> None:
    path = f"{path_of(web.cast)}/change/name"
    first = preview(carol, path, {"name": "Alice One"})
    change(web.visit(CAROL), path, {"name": "Alice Two"})
    form = find_form(first, "confirmed")
    answer = carol.post(path, {**dict(form.sent), "confirmed": "yes"})
    assert answer.status_code == 422
    assert person(web.cast)["name"] == "Alice Two"


def test_nobody_edits_their_own_record(web: WebClient) -> None:
    cast = web.cast
    dan = web.visit(DAN)
    with writing(cast.engine) as session:
        table = METADATA.tables["person"]
        erin = table.c.id == cast.people[ERIN]
        session.connection().execute(table.update().where(erin).values(email=DAN))
    dan = web.visit(DAN)
    shown = dan.get(path_of(cast, ERIN))
    assert "This is your own record" in text_of(shown)
    assert "/change/" not in shown.text
    answer = dan.post(f"{path_of(cast, ERIN)}/change/name", {"name": "Dan", "reason": "x"})
    assert answer.status_code == 422
