"""Choosing which optional mails to get, on the page and by a mail's own link."""

from tests.support.cast import ALICE, BOB
from tests.web.visiting import WebClient, text_of
from tracker.db.engine import writing
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.notification_preferences import create_choice_token
from tracker.web.pages.mail_choice import LABELS


def off(house: WebClient, email: str) -> set[str]:
    return {row["kind"] for row in house.cast.rows("mail_off", person_id=house.cast.people[email])}


def test_each_optional_kind_has_a_switch(page_house: WebClient) -> None:
    alice = page_house.visit(ALICE)
    page = alice.get("/profile/mail")
    assert page.text.count("checked") == len(OptionalNotice) == len(LABELS)
    assert "your endorsement depends on them" in text_of(page)
    kept = [kind.value for kind in OptionalNotice if kind is not OptionalNotice.EARLY]
    words = text_of(alice.follow(alice.post("/profile/mail", {"kind": kept})))
    assert "Your email choices are saved." in words
    assert "1 of 6 optional kinds are off" in words
    assert off(page_house, ALICE) == {"early reminders"}
    alice.post("/profile/mail", {"kind": [kind.value for kind in OptionalNotice]})
    assert off(page_house, ALICE) == set()
    assert len(page_house.cast.rows("audit_event", table_name="mail_off")) == 2


def test_what_is_no_optional_kind_cannot_be_switched_off(page_house: WebClient) -> None:
    page_house.visit(ALICE).post("/profile/mail", {"kind": ["lapse", "nonsense"]})
    assert off(page_house, ALICE) == {kind.value for kind in OptionalNotice}


def test_a_mails_own_link_only_asks_and_its_post_stops_such_mail(house: WebClient) -> None:
    with writing(house.cast.engine) as session:
        kinds = ["early reminders", "membership"]
        token = create_choice_token(session, house.cast.people[BOB], kinds)
    path = f"/unsubscribe/mail/{token}"
    assert "no more email of this kind: Early reminders, Membership" in text_of(
        house.visit("").get(path)
    )
    assert off(house, BOB) == set()
    # A mail program posts by itself, without an Origin (RFC 8058).
    for _ in range(2):
        client = house.visit("").client
        answer = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    assert off(house, BOB) == {"early reminders", "membership"}
    [event] = house.cast.rows("audit_event", table_name="mail_off")
    assert event["who"] == BOB
    assert house.visit("").get(f"{path}x").status_code == 404
    assert house.visit("").client.post(f"{path}x").status_code == 404
