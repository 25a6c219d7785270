"""Writing to endorsees from the desk: preview, sending once, delivery, and stopping."""

import re
import shutil
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.support.cast import ALICE, BOB, CAROL, CONFIG, DAN, ERIN, EVE
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.crawl import read_page
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.mailings import format_ids

NEW = "/coordinator/mail/new"


def fields(visitor: Visitor, path: str = NEW) -> dict[str, str]:
    """What the form on a page would send: hidden fields, and what is typed there."""
    page = visitor.get(path).text
    typed = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    subject = re.search(r'name="subject" type="text" value="([^"]*)"', page)
    text = re.search(r'<textarea id="text"[^>]*>([^<]*)</textarea>', page)
    assert subject is not None
    assert text is not None
    return {**typed, "subject": subject[1], "text": text[1]}


def send(visitor: Visitor, path: str = NEW, **changed: str) -> str:
    """Send the form at an address; the address of the mailing."""
    answer = visitor.post(NEW, {**fields(visitor, path), **changed, "send": "yes"})
    assert answer.status_code == 303, problems(answer)
    return answer.headers["location"]


def test_the_form_shows_the_mail_before_it_is_sent(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(CAROL).get(NEW)
    words = text_of(page)
    assert "All endorsees 2 recipients" in words
    assert "Send to 2 people" in words
    assert "Due December 31, 2026: 3.5 RSC hours and one DEIA hour" in words
    assert "Hello Alice Moreno, You have 2 requirements left to meet by December 31" in words
    frame = re.search(r'<iframe class="mail-frame" src="([^"]+)"', page.text)
    assert frame is not None
    html = sqlite_web.visit(CAROL).get(frame[1].replace("&amp;", "&"))
    assert "You have 2 requirements left" in html.text
    assert "sandbox" in html.headers["content-security-policy"]
    assert sqlite_web.cast.rows("mailing") == []


def test_next_shows_the_next_recipient_and_keeps_what_was_typed(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    answer = carol.post(NEW, {**fields(carol), "text": "Call me, {name}.", "show": "2"})
    page = carol.follow(answer)
    assert "Hello Bob Osei" in text_of(page)
    assert "Call me, Bob Osei." in text_of(page)
    assert "Call me, {name}." in page.text
    assert text_of(carol.follow(answer)) == text_of(page)


def test_a_mailing_is_one_message_for_each_recipient(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = send(carol)
    page = text_of(carol.get(path))
    assert "Sent to 2 people." in page
    assert "0 of 2 delivered, 2 waiting." in page
    rows = web.cast.rows("outbox")
    assert {row["person_id"] for row in rows} == {web.cast.people[e] for e in (ALICE, BOB)}
    assert {(row["kind"], row["about_kind"]) for row in rows} == {("mailing", "mailing")}
    body = rows[0]["body"].decode()
    assert f"Reply-To: {CAROL}" in body
    assert "Auto-Submitted: auto-generated" in body
    # More than 30 days ahead, like an early reminder.
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in body
    assert len(web.cast.rows("audit_event", table_name="mailing")) == 1


def test_a_reminder_of_a_near_due_date_is_always_sent(sqlite_web: WebClient) -> None:
    sqlite_web.pass_time(days=10)
    send(sqlite_web.visit(CAROL))
    bodies = [row["body"].decode() for row in sqlite_web.cast.rows("outbox")]
    assert len(bodies) == 2
    assert "Unsubscribe" not in "".join(bodies)


def test_a_form_that_is_sent_twice_sends_once(web: WebClient) -> None:
    carol = web.visit(CAROL)
    form = {**fields(carol), "send": "yes"}
    first, second = carol.post(NEW, form), carol.post(NEW, form)
    assert first.headers["location"] == second.headers["location"]
    assert "This email was already sent. Nothing was sent twice." in text_of(carol.follow(second))
    assert len(web.cast.rows("outbox")) == 2
    assert len(web.cast.rows("mailing")) == 1


def test_nobody_gets_two_mailings_on_a_day(web: WebClient) -> None:
    carol = web.visit(CAROL)
    send(carol, f"{NEW}?person={web.cast.people[ALICE]}")
    page = text_of(carol.get(NEW))
    assert "1 already mailed today Alice Moreno" in page
    assert "You can write to them tomorrow." in page
    assert "Send to 1 person" in page
    held_back = carol.get(send(carol))
    assert "Write to the 1 held back" in text_of(held_back)
    web.pass_time(days=1)
    again = re.search(r'href="(/coordinator/mail/new\?again=\d+)"', held_back.text)
    assert again is not None
    assert "Alice Moreno" in text_of(carol.get(again[1]))
    send(carol, again[1])
    assert len(web.cast.rows("outbox", person_id=web.cast.people[ALICE])) == 2


def test_what_waits_can_be_stopped(web: WebClient) -> None:
    carol = web.visit(CAROL)
    path = send(carol)
    outbox = METADATA.tables["outbox"]
    alices = outbox.c.person_id == web.cast.people[ALICE]
    with writing(web.cast.engine) as session:
        session.connection().execute(update(outbox).where(alices).values(state="sent"))
    assert "Stop the one that has not left" in text_of(carol.get(path))
    page = carol.follow(carol.post(f"{path}/stop"))
    assert "Stopped. What had not left will not be sent." in text_of(page)
    assert "1 of 1 delivered. 1 skipped." in text_of(page)
    assert "Bob Osei bob@example.org Skipped stopped before it left" in text_of(page)
    assert {row["state"] for row in web.cast.rows("outbox")} == {"sent", "dropped"}
    # The day is free for another mail.
    assert "Send to 1 person" in text_of(carol.get(NEW))
    again = carol.follow(carol.post(f"{path}/stop"))
    assert "Nothing was waiting any more" in text_of(again)


def test_what_is_on_its_way_cannot_be_stopped(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    path = send(carol)
    outbox = METADATA.tables["outbox"]
    sending = update(outbox).values(state="sending", lease_until=sqlite_web.now)
    alices = outbox.c.person_id == sqlite_web.cast.people[ALICE]
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(sending.where(alices))
    page = carol.follow(carol.post(f"{path}/stop"))
    words = "Stopped. What had not left will not be sent, but 1 email was already on the way."
    assert words in text_of(page)
    again = carol.follow(carol.post(f"{path}/stop"))
    assert "Nothing was stopped: 1 email was already on the way." in text_of(again)


def test_files_that_change_do_not_reach_a_running_site(
    sqlite_web: WebClient, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    settings = sqlite_web.cast.settings.model_copy(update={"config_dir": folder})
    web = WebClient(sqlite_web.cast, settings=settings)
    (folder / "notices.toml").write_text("steps = broken", "utf-8")
    carol = web.visit(CAROL)
    assert carol.get(NEW).status_code == 200
    timeline = f"/coordinator/person/{web.cast.people[ALICE]}/timeline"
    assert carol.get(timeline).status_code == 200


def test_an_unknown_field_is_named(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    form = {**fields(carol), "text": "Dear {nmae}, call {", "subject": "x" * 78, "send": "yes"}
    answer = carol.post(NEW, form)
    assert answer.status_code == 422
    found = dict(problems(answer))
    assert found["subject"] == "Use at most 77 characters. These are 78."
    words = [text for field, text in problems(answer) if field == "text"]
    assert words[0].startswith("There is no field {nmae}. Use {name}, {association}, ")
    assert (
        words[1] == "A brace { stands alone. Write fields like {name}, and use no braces otherwise."
    )
    assert "Dear {nmae}, call {" in answer.text
    assert sqlite_web.cast.rows("outbox") == []
    assert sqlite_web.cast.rows("mailing")[0]["state"] == "draft"


@pytest.mark.parametrize("text", ["<b>Hello</b>", "See <a href='x'>this</a>", "<!-- x -->"])
def test_html_is_refused(sqlite_web: WebClient, text: str) -> None:
    carol = sqlite_web.visit(CAROL)
    answer = carol.post(NEW, {**fields(carol), "text": text, "send": "yes"})
    assert "Write plain text without HTML. Remove" in dict(problems(answer))["text"]


def test_another_template_keeps_what_was_typed(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    untouched = carol.follow(carol.post(NEW, {**fields(carol), "use": "membership"}))
    assert "Please renew your membership" in untouched.text
    kept = carol.follow(carol.post(NEW, {**fields(carol), "subject": "Mine", "use": "membership"}))
    assert 'value="Mine"' in kept.text
    assert "1 the membership is current Alice Moreno" in text_of(kept)


def test_a_filter_leaves_those_whom_it_fits(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    page = text_of(carol.get(f"{NEW}?state=&missing=membership"))
    assert "Endorsees: " in page
    assert "Send to 1 person" in page
    form = {**fields(carol), "state": "", "missing": "membership", "category": "", "list": "yes"}
    changed = carol.follow(carol.post(NEW, form))
    assert "Hello Bob Osei" in text_of(changed)
    assert "Send to 1 person" in text_of(changed)


def test_a_free_text_to_many_can_be_switched_off(web: WebClient) -> None:
    carol = web.visit(CAROL)
    free = f"{NEW}?template=free"
    send(carol, free, subject="Webinar for {association}", text="Hello {name}\n\nCome.")
    bodies = [row["body"].decode() for row in web.cast.rows("outbox")]
    link = re.search(r"List-Unsubscribe: <http://testserver([^>]+)>", bodies[0])
    assert link is not None
    web.visit().post(link[1])
    assert {row["kind"] for row in web.cast.rows("mail_off")} == {"messages"}
    web.pass_time(days=1)
    assert "1 this kind of email is turned off Alice Moreno" in text_of(carol.get(free))
    # A letter to one person is no mass mail.
    single = f"{free}&person={web.cast.people[ALICE]}"
    send(carol, single, subject="Your question", text="Yes.")


def test_a_mail_is_kept_as_it_was_sent(web: WebClient) -> None:
    carol = web.visit(CAROL)
    page = carol.get(send(carol, text="Only {name} reads this."))
    links = re.findall(r"/coordinator/mail/\d+/people/\d+", page.text)
    sent = text_of(carol.get(links[0]))
    assert "Due December 31, 2026: 3.5 RSC hours and one DEIA hour" in sent
    assert "Only Alice Moreno reads this." in sent
    assert "Only Alice Moreno reads this." in carol.get(f"{links[0]}/html").text


def test_other_associations_stay_out_of_reach(sqlite_web: WebClient) -> None:
    carol, dan = sqlite_web.visit(CAROL), sqlite_web.visit(DAN)
    path = send(carol)
    for foreign in (path, f"{path}/people/1", f"{path}/people/1/html"):
        assert dan.get(foreign).status_code == 404
    assert dan.post(f"{path}/stop").status_code == 404
    assert dan.get(f"{NEW}?person={sqlite_web.cast.people[ALICE]}").status_code == 404
    assert dan.get(f"{NEW}?association=NCIMHA").status_code == 404
    assert dan.get("/coordinator/mail?association=NCIMHA").status_code == 404
    # Ids of people elsewhere in the form reach nobody.
    people = f"{sqlite_web.cast.people[ERIN]}.{sqlite_web.cast.people[EVE]}"
    sqlite_web.pass_time(days=1)
    answer = carol.post(NEW, {**fields(carol), "to": people, "send": "yes"})
    assert "No one would get this email" in answer.text
    assert len(sqlite_web.cast.rows("outbox")) == 2


def test_a_draft_waits_in_the_list_until_it_is_discarded(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    carol.post(NEW, {**fields(carol), "subject": "Half written", "preview": "yes"})
    page = carol.get("/coordinator/mail")
    assert "Half written" in text_of(page)
    [form] = [f for f in read_page("/coordinator/mail", page).forms if "discard" in f.action]
    answer = carol.follow(carol.post(form.action))
    assert "The draft is discarded. Nothing was sent." in text_of(answer)
    assert sqlite_web.cast.rows("mailing") == []


def test_the_list_shows_what_came_of_each_mailing(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    assert "No emails sent from here yet." in text_of(carol.get("/coordinator/mail"))
    send(carol)
    assert "All endorsees" in text_of(carol.get("/coordinator/mail"))
    assert "0 delivered, 2 waiting" in text_of(carol.get("/coordinator/mail"))


def test_a_person_is_found_by_a_part_of_the_name(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    page = carol.follow(carol.post(NEW, {**fields(carol), "find": "OSEI"}))
    assert "Hello Bob Osei" in text_of(page)
    unknown = carol.post(NEW, {**fields(carol), "find": "Nobody"})
    assert dict(problems(unknown)) == {"find": "No recipient has Nobody in the name or address"}
    assert 'value="Nobody"' in unknown.text


def test_a_search_for_a_skipped_person_says_why(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    send(carol, f"{NEW}?person={sqlite_web.cast.people[ALICE]}")
    answer = carol.post(NEW, {**fields(carol), "find": "alice@"})
    assert dict(problems(answer)) == {"find": "Alice Moreno is skipped: already mailed today"}


def test_people_chosen_elsewhere_come_with_the_address(sqlite_web: WebClient) -> None:
    carol, people = sqlite_web.visit(CAROL), sqlite_web.cast.people
    ids = format_ids([people[ALICE], people[BOB], people[ERIN]])
    path = f"{NEW}?association=NCIMHA&to={ids}&audience=My+choice&template=free"
    page = text_of(carol.get(path))
    assert "My choice 2 recipients" in page
    assert "Status" not in page
    send(carol, path, subject="Hello", text="A word")
    rows = sqlite_web.cast.rows("outbox")
    assert {row["person_id"] for row in rows} == {people[ALICE], people[BOB]}
    assert carol.get(f"{NEW}?to=3-").status_code == 404
    assert carol.get(f"{NEW}?association=CT-AIMH&to={ids}").status_code == 404


def test_the_frame_shows_the_words_of_a_mailing_that_is_sent_again(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    path = send(carol, text="Until Friday, {name}.")
    carol.post(f"{path}/stop")
    page = carol.get(f"{NEW}?again={path.rpartition('/')[2]}")
    frame = re.search(r'<iframe class="mail-frame" src="([^"]+)"', page.text)
    assert frame is not None
    html = carol.get(frame[1].replace("&amp;", "&")).text
    assert "Until Friday, Alice Moreno." in html
    assert "Choose which emails you get" in html


def test_the_page_of_a_mailing_reloads_while_messages_leave(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    path = send(carol)
    page = carol.get(path)
    assert page.headers["refresh"] == "10"
    assert "Updates every 10 seconds Pause updates" in text_of(page)
    assert "refresh" not in carol.get(f"{path}?pause=yes").headers
    # What waits for long waits for a mail server.
    sqlite_web.pass_time(days=1)
    assert "refresh" not in carol.get(path).headers


def test_a_long_subject_names_the_number_of_requirements(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    words = "Please look at what your renewal of this cycle still lacks: {missing}"
    send(carol, f"{NEW}?person={sqlite_web.cast.people[ALICE]}", subject=words)
    [row] = sqlite_web.cast.rows("outbox")
    assert row["subject"].endswith("2 requirements")
