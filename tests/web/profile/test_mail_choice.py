"""Choosing optional mail, on the page and with a mail's own link."""

from tests.support.cast import ALICE, BOB
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.notification_preferences import create_choice_token
from tracker.web.pages.mail_choice import LABELS


def disabled_kinds(web: WebClient, email: str) -> set[str]:
    return {row["kind"] for row in web.cast.rows("mail_off", person_id=web.cast.people[email])}


def test_each_optional_kind_has_a_checkbox(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    page = alice.get("/profile/mail")
    assert page.text.count("checked") == len(OptionalNotice) == len(LABELS)
    assert "your endorsement depends on them" in text_of(page)
    kept = [kind.value for kind in OptionalNotice if kind is not OptionalNotice.EARLY]
    words = text_of(alice.follow(alice.post("/profile/mail", {"kind": kept})))
    assert "Your email choices are saved." in words
    assert f"1 of {len(OptionalNotice)} optional kinds are off" in words
    assert disabled_kinds(sqlite_web, ALICE) == {"early reminders"}
    alice.post("/profile/mail", {"kind": [kind.value for kind in OptionalNotice]})
    assert disabled_kinds(sqlite_web, ALICE) == set()
    assert len(sqlite_web.cast.rows("audit_event", table_name="mail_off")) == 2


def test_required_mail_cannot_be_switched_off(sqlite_web: WebClient) -> None:
    sqlite_web.visit(ALICE).post("/profile/mail", {"kind": ["lapse", "nonsense"]})
    assert disabled_kinds(sqlite_web, ALICE) == {kind.value for kind in OptionalNotice}


def test_only_the_post_of_a_link_unsubscribes(web: WebClient) -> None:
    with writing(web.cast.engine) as session:
        kinds = ["early reminders", "membership"]
        token = create_choice_token(session, web.cast.people[BOB], kinds)
    path = f"/unsubscribe/mail/{token}"
    assert "no longer get these emails: Early reminders, Membership" in text_of(
        web.visit("").get(path)
    )
    assert disabled_kinds(web, BOB) == set()
    # A mail program posts by itself, without an Origin (RFC 8058).
    for _ in range(2):
        client = web.visit("").client
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert disabled_kinds(web, BOB) == {"early reminders", "membership"}
    [event] = web.cast.rows("audit_event", table_name="mail_off")
    assert event["who"] == BOB
    assert web.visit("").get(f"{path}x").status_code == 404
    assert web.visit("").client.post(f"{path}x").status_code == 404
