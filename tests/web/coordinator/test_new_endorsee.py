"""An endorsee is added in one form, with a welcome mail, and once."""

from collections.abc import Callable

import pytest
from httpx2 import Response

from tests.support.cast import ALICE, BOB, CAROL, ERIN
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.desk_steps import day, preview, save, undo
from tests.web.crawl import read_page

PATH = "/coordinator/person/new"
NINA = {
    "name": "Nina Park",
    "email": "Nina@Example.org",
    "category": "IFS",
    "welcome": "yes",
    **day("since", 3, 1, 2025),
}
# Nothing of hers was due yet.
RECENT = {**NINA, **day("since", 10, 1, 2026)}
MEMBER = {"organization": "NCIMHA", **day("starts", 1, 1, 2026), **day("ends", 12, 31, 2026)}


@pytest.fixture
def carol(web: WebClient) -> Visitor:
    return web.visit(CAROL)


def test_an_endorsee_is_added_with_a_welcome_mail(web: WebClient, carol: Visitor) -> None:
    shown = preview(carol, PATH, {**NINA, **MEMBER})
    for words in ("Nina Park", "To nina@example.org", "Your next renewal is due", "Carol Reyes"):
        assert words in text_of(shown), words
    assert web.cast.rows("person", email="nina@example.org") == []
    saved = save(carol, shown)
    [person] = web.cast.rows("person", email="nina@example.org")
    assert f'href="/coordinator/person/{person["id"]}"' in saved.text
    assert len(web.cast.rows("membership", person_id=person["id"])) == 1
    [mail] = web.mails("welcome")
    assert "http://testserver/sign-in" in mail


def test_the_form_says_what_add_does(carol: Visitor) -> None:
    text = text_of(carol.get(PATH))
    for words in (
        "When you press Add The renewal is open, or complete if nothing is required yet.",
        "Your NCIMHA {category} renewal is due {due date} Hello {name},",
        "Enter {email} and we email you a code.",
        "It goes to Carol Reyes",
        "Reminders begin 90 days before the due date, and stop when nothing is missing.",
        "You can undo it for 30 days.",
    ):
        assert words in text, words


def test_add_does_what_preview_and_save_do(web: WebClient, carol: Visitor) -> None:
    tables = ("endorsement", "membership", "standing", "outbox", "audit_event")

    def added(press: Callable[[dict[str, str]], Response]) -> tuple[Response, dict[str, int]]:
        before = {table: len(web.cast.rows(table)) for table in tables}
        page = press({**RECENT, **MEMBER})
        grown = {table: len(web.cast.rows(table)) - before[table] for table in tables}
        undo(carol, page)
        return page, grown

    slow = added(lambda form: save(carol, preview(carol, PATH, form)))
    quick = added(lambda form: carol.follow(carol.post(PATH, {**form, "add": "yes"})))
    assert quick[1] == slow[1]
    assert "Saved. Undo" in text_of(quick[0])
    assert "Open the record of Nina Park" in text_of(quick[0])
    assert [row["state"] for row in web.cast.rows("outbox")] == ["dropped", "dropped"]


def test_add_asks_about_people_who_look_alike(web: WebClient, carol: Visitor) -> None:
    typed = {**RECENT, "name": "Alice Morena", "add": "yes"}
    asked = preview(carol, PATH, typed)
    assert "Is this the same person?" in text_of(asked)
    [form] = [f for f in read_page("", asked).forms if "same" in f.choices]
    shown = preview(carol, PATH, {**dict(form.sent), "same": "new"})
    assert "Nothing is saved yet." in text_of(shown)
    assert web.cast.rows("person", name="Alice Morena") == []
    asked = preview(carol, PATH, {**RECENT, "email": BOB, "add": "yes"})
    assert "Is this the same person?" in text_of(asked)


def test_add_previews_what_the_form_did_not_announce(web: WebClient, carol: Visitor) -> None:
    shown = preview(carol, PATH, {**NINA, "add": "yes"})
    assert "Check this first. It differs from what the form says." in text_of(shown)
    assert "An email about the lapse follows" in text_of(shown)
    assert web.cast.rows("person", name="Nina Park") == []
    save(carol, shown)
    assert len(web.cast.rows("person", name="Nina Park")) == 1


def test_a_double_tap_on_add_adds_once(web: WebClient, carol: Visitor) -> None:
    first, again = [carol.post(PATH, {**RECENT, "add": "yes"}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.headers["location"] == again.headers["location"]
    assert "Saved." in text_of(carol.follow(again))
    assert len(web.cast.rows("person", name="Nina Park")) == 1


def test_an_undone_addition_leaves_nothing(web: WebClient, carol: Visitor) -> None:
    tables = ("person", "endorsement", "membership", "standing")
    before = {table: web.cast.rows(table) for table in tables}
    saved = save(carol, preview(carol, PATH, {**NINA, **MEMBER}))
    undo(carol, saved)
    assert before == {table: web.cast.rows(table) for table in tables}
    assert [row["state"] for row in web.cast.rows("outbox")] == ["dropped"]


def test_the_welcome_mail_can_be_left_out(web: WebClient, carol: Visitor) -> None:
    save(carol, preview(carol, PATH, {n: v for n, v in NINA.items() if n != "welcome"}))
    assert web.cast.rows("outbox") == []


def test_a_similar_name_is_asked_about(web: WebClient, carol: Visitor) -> None:
    typed = {**NINA, "name": "Alice Morena"}
    asked = preview(carol, PATH, typed)
    assert "Is this the same person?" in text_of(asked)
    [form] = [f for f in read_page("", asked).forms if "same" in f.choices]
    alice = str(web.cast.people[ALICE])
    assert form.choices["same"] == ["new", alice]
    sent = dict(form.sent)
    save(carol, preview(carol, PATH, {**sent, "same": "new"}))
    assert len(web.cast.rows("person", name="Alice Morena")) == 1


def test_an_endorsement_is_added_to_a_known_person(web: WebClient, carol: Visitor) -> None:
    asked = preview(carol, PATH, {**NINA, "email": BOB, "category": "IFA"})
    [form] = [f for f in read_page("", asked).forms if "same" in f.choices]
    assert form.choices["same"] == [str(web.cast.people[BOB])]
    save(carol, preview(carol, PATH, {**dict(form.sent), "same": form.choices["same"][0]}))
    [held] = web.cast.rows("endorsement", category="IFA")
    assert held["person_id"] == web.cast.people[BOB]
    assert web.cast.rows("person", name="Nina Park") == []


def test_foreign_people_are_not_named(carol: Visitor) -> None:
    asked = preview(carol, PATH, {**NINA, "email": ERIN})
    assert "A person of another association" in text_of(asked)
    assert "Erin" not in text_of(asked).replace(ERIN, "")


def test_an_endorsee_is_not_added_twice(web: WebClient, carol: Visitor) -> None:
    shown = preview(carol, PATH, NINA)
    save(carol, shown)
    form = read_page("", shown).forms[-2]
    again = carol.post(form.action, {**dict(form.sent), "same": "new", "confirmed": "yes"})
    assert again.status_code == 422
    assert len(web.cast.rows("person", email="nina@example.org")) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"email": "nina"}, "email"),
        ({"email": ""}, "email"),
        ({"category": "XYZ"}, "category"),
        ({"since_month": "13"}, "since_month"),
        ({"organization": "NCIMHA"}, "starts_day"),
        (day("starts", 1, 1, 2026), "organization"),
        ({**MEMBER, **day("ends", 1, 1, 2025)}, "ends_day"),
        ({"category": ""}, "category"),
    ],
)
def test_what_is_wrong_is_said(
    web: WebClient, carol: Visitor, change: dict[str, str], field: str
) -> None:
    answer = carol.post(PATH, {**NINA, **change, "add": "yes"})
    assert answer.status_code == 422
    assert [name for name, _ in problems(answer)] == [field]
    assert web.cast.rows("person", name="Nina Park") == []
