"""A coordinator waives a requirement, extends a due date, and records leave."""

from datetime import date

import pytest

from tests.support.cast import ALICE, BOB, CAROL, ERIN, Cast
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.desk_steps import change, day, preview, save, undo


@pytest.fixture
def carol(web: WebClient) -> Visitor:
    return web.visit(CAROL)


def page_of(cast: Cast, email: str = ALICE) -> str:
    return f"/coordinator/person/{cast.people[email]}"


def path_of(cast: Cast, kind: str, email: str = ALICE) -> str:
    held = cast.endorsements[email]
    cycle = "" if kind == "leave" else "&cycle_starts_on=2026-01-01"
    return f"{page_of(cast, email)}/add/{kind}?endorsement={held}{cycle}"


def letters(cast: Cast) -> list[tuple[str, str]]:
    return [(row["recipient"], row["state"]) for row in cast.rows("outbox")]


def test_a_waiver_takes_a_link_and_two_buttons(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    link = f"{path_of(cast, 'waiver')}&requirement=training.deia".replace("&", "&amp;")
    assert link in carol.get(page_of(cast)).text
    assert 'value="training.deia" selected' in carol.get(link.replace("&amp;", "&")).text
    shown = preview(carol, path_of(cast, "waiver"), {"requirement": "training.deia"})
    assert "Waive DEIA training for Alice Moreno" in text_of(shown)
    assert f"To {ALICE}" in text_of(shown)
    assert cast.rows("waiver") == []
    saved = save(carol, shown)
    assert [row["requirement"] for row in cast.rows("waiver")] == ["training.deia"]
    assert "Waived: DEIA training" in text_of(saved)
    undo(carol, saved)
    assert cast.rows("waiver") == []
    assert letters(cast) == [(ALICE, "dropped")]


def test_a_removed_waiver_takes_its_letter_along(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    change(carol, path_of(cast, "waiver"), {"requirement": "rsc"})
    [waiver] = cast.rows("waiver")
    removed = change(carol, f"{page_of(cast)}/remove/waiver/{waiver['id']}", {})
    assert cast.rows("waiver") == []
    assert letters(cast) == [(ALICE, "dropped")]
    undo(carol, removed)
    assert [row["id"] for row in cast.rows("waiver")] == [waiver["id"]]


def test_an_undone_extension_gives_the_earlier_one_back(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    change(carol, path_of(cast, "extension"), day("ends", 1, 31, 2027))
    web.pass_time(hours=1)
    shown = preview(carol, path_of(cast, "extension"), day("ends", 3, 31, 2027))
    assert "Extend the due date of Alice Moreno to March 31, 2027" in text_of(shown)
    saved = save(carol, shown)
    assert cast.rows("renewal")[0]["extended_due_on"] == date(2027, 3, 31)
    assert "Due now January 31, 2027" not in text_of(carol.get(path_of(cast, "extension")))
    undo(carol, saved)
    assert cast.rows("renewal")[0]["extended_due_on"] == date(2027, 1, 31)
    assert letters(cast) == [(ALICE, "waiting"), (ALICE, "dropped")]


def test_leave_is_recorded_ended_and_undone(web: WebClient, carol: Visitor) -> None:
    cast = web.cast
    change(carol, path_of(cast, "leave"), day("starts", 12, 1, 2026))
    [leave] = cast.rows("leave")
    assert (leave["starts_on"], leave["ends_on"]) == (date(2026, 12, 1), None)
    days = {**day("starts", 12, 1, 2026), **day("ends", 2, 28, 2027)}
    path = f"{page_of(cast)}/change/leave/{leave['id']}"
    assert "no last day yet" in text_of(carol.get(path))
    saved = change(carol, path, days)
    assert cast.rows("leave")[0]["ends_on"] == date(2027, 2, 28)
    undo(carol, saved)
    assert cast.rows("leave")[0]["ends_on"] is None


@pytest.mark.parametrize(
    ("kind", "typed", "field", "words"),
    [
        ("waiver", {}, "requirement", "Choose a requirement of this renewal"),
        ("waiver", {"requirement": "moon"}, "requirement", "Choose a requirement of this renewal"),
        ("waiver", {"requirement": "rsc", "reason": ""}, "reason", "Enter a short reason"),
        ("extension", {}, "ends_day", "Enter the new due date"),
        ("extension", day("ends", 12, 31, 2026), "ends_day",
         "The new due date must be after the current one, December 31, 2026"),
        ("leave", {}, "starts_day", "Enter the first day"),
        ("leave", {**day("starts", 5, 2, 2026), **day("ends", 5, 1, 2026)}, "ends_day",
         "The last day must be"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_the_field(
    web: WebClient, carol: Visitor, kind: str, typed: dict[str, str], field: str, words: str
) -> None:
    answer = carol.post(path_of(web.cast, kind), {"reason": "A call", **typed})
    assert answer.status_code == 422
    [(found, sentence)] = problems(answer)
    assert (found, sentence[: len(words)]) == (field, words)


def test_other_renewals_have_no_form(web: WebClient, carol: Visitor) -> None:
    cast, page = web.cast, page_of(web.cast)
    own, bobs, erins = (cast.endorsements[who] for who in (ALICE, BOB, ERIN))
    for query in (
        "waiver",
        "waiver?endorsement=x&cycle_starts_on=2026-01-01",
        f"waiver?endorsement={own}&cycle_starts_on=2026-01-02",
        f"waiver?endorsement={own}&cycle_starts_on=January",
        f"waiver?endorsement={bobs}&cycle_starts_on=2026-01-01",
        f"extension?endorsement={erins}&cycle_starts_on=2026-01-01",
        f"leave?endorsement={bobs}",
        "leave",
    ):
        path = f"{page}/add/{query}"
        assert carol.get(path).status_code == 404, path
        assert carol.post(path, {"reason": "x"}).status_code == 404, path
    assert carol.get(f"{page}/change/leave/1").status_code == 404
