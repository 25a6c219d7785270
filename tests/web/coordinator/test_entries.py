"""Sessions on the desk: confirmed, asked about, corrected with consent, excluded, removed."""

import re

from tests.support.cast import ALICE, BOB, CAROL, DAN, ERIN
from tests.web.client import Visitor, WebClient, text_of
from tracker.services.evaluation import parse_results

WHY = "It was a staff meeting, not a training."


def entry_path(web: WebClient, key: str = "training", whose: str = ALICE) -> str:
    return f"/coordinator/person/{web.cast.people[whose]}/entries/{web.cast.entries[key]}"


def save(visitor: Visitor, path: str, **form: str) -> str:
    """Send a form, look at its preview, and save; the text of the preview."""
    preview = visitor.post(path, form)
    assert preview.status_code == 200, text_of(preview)
    kept = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', preview.text))
    saved = visitor.post(path, {**form, "state": kept["state"], "confirmed": "yes"})
    assert saved.status_code == 303, text_of(saved)
    return text_of(preview)


def undo_last(visitor: Visitor) -> None:
    page = visitor.get("/coordinator/changes").text
    [number, *_] = re.findall(r"/coordinator/changes/(\d+)", page)
    assert visitor.post(f"/coordinator/changes/{number}/undo").status_code == 303


def training_counted(web: WebClient) -> int:
    rows = web.cast.rows("standing", endorsement_id=web.cast.endorsements[ALICE])
    results = parse_results(rows[-1]["requirements"])
    return next(r.counted for r in results if r.counts == "training" and not r.topic)


def test_the_list_says_what_counts_and_why(web: WebClient) -> None:
    person = web.cast.people[ALICE]
    page = text_of(web.visit(CAROL).get(f"/coordinator/person/{person}/entries"))
    assert "8 sessions, 1 of them not counted" in page
    assert "Jo Hart is not yet confirmed as qualified" in page


def test_a_confirmed_session_says_by_whom(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web)
    assert carol.post(path, {"action": "confirm"}).status_code == 303
    assert "Confirmed by Carol Reyes" in text_of(carol.get(path))
    timeline = f"/coordinator/person/{web.cast.people[ALICE]}/timeline?kind=decisions"
    words = "Session confirmed: Infant mental health week, May 2, 2026 by Carol Reyes"
    assert words in text_of(carol.get(timeline))
    carol.post(path, {"action": "unconfirm"})
    assert "Confirmed by" not in text_of(carol.get(path))


def test_confirming_from_the_list_can_be_undone(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web)
    answer = carol.post(path, {"action": "confirm", "list": "yes"})
    assert answer.headers["location"].endswith("/entries")
    assert "Saved. Undo" in text_of(carol.get(answer.headers["location"]))
    undo_last(carol)
    assert web.cast.rows("entry_confirmation") == []


def test_two_coordinators_do_not_ask_the_same_twice(web: WebClient) -> None:
    path = entry_path(web)
    save(web.visit(CAROL), path, action="ask", ask_text="Was all of it about infants?")
    second = web.visit(CAROL).post(path, {"action": "ask", "ask_text": "Who held it?"})
    assert second.status_code == 422
    assert "A question about this session is already open" in text_of(second)
    assert "Who held it?" in second.text


def test_a_reason_or_question_is_required(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web)
    for action, words in (("ask", "Write a message"), ("exclude", "Enter a short reason")):
        answer = carol.post(path, {"action": action})
        assert (answer.status_code, words in text_of(answer)) == (422, True)
    answer = carol.post(path, {"action": "propose", "hours": "many", "propose_text": "?"})
    assert answer.status_code == 422
    assert web.cast.rows("entry_question") == []


def test_an_excluded_session_counts_no_more_and_says_why(web: WebClient) -> None:
    carol, path, before = web.visit(CAROL), entry_path(web), training_counted(web)
    preview = save(carol, path, action="exclude", exclude_reason=WHY)
    assert "To alice@example.org: NCIMHA: your session of May 2 does not count" in preview
    assert training_counted(web) == before - 990
    own = text_of(web.visit(ALICE).get(f"/entries/{web.cast.entries['training']}"))
    assert f"Does not count: NCIMHA decided that it does not: {WHY}" in own
    [mail] = web.mails("request")
    assert f"Carol Reyes writes: {WHY}" in mail
    undo_last(carol)
    assert training_counted(web) == before
    assert [row["state"] for row in web.cast.rows("outbox")] == ["dropped"]


def test_a_removed_session_comes_back_with_its_topics(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web, "old")
    topics = web.cast.rows("entry_topic")
    save(carol, path, action="remove", remove_reason="That was someone else")
    assert carol.get(path).status_code == 404
    assert "That was someone else" in text_of(web.visit(ALICE).get("/questions"))
    undo_last(carol)
    assert carol.get(path).status_code == 200
    assert web.cast.rows("entry_topic") == topics


def test_what_was_decided_of_a_removed_session_stays_in_the_history(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web, "old")
    tables = ("entry_confirmation", "entry_decision", "entry_question", "entry_message")
    carol.post(path, {"action": "confirm"})
    save(carol, path, action="exclude", exclude_reason=WHY)
    save(carol, path, action="ask", ask_text="Was it you?")
    decided = {name: web.cast.rows(name) for name in tables}
    save(carol, path, action="remove", remove_reason="That was someone else")
    ended = {
        (event["table_name"], event["row_id"])
        for event in web.cast.rows("audit_event")
        if event["after"] is None
    }
    assert {(name, rows[0]["id"]) for name, rows in decided.items()} <= ended
    undo_last(carol)
    assert {name: web.cast.rows(name) for name in tables} == decided


def test_a_question_goes_out_and_comes_back_answered(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web)
    save(carol, path, action="ask", ask_text="Was all of it about infants?")
    [mail] = web.mails("entry-question")
    assert "Carol Reyes writes: Was all of it about infants?" in mail
    alice = web.visit(ALICE)
    assert "Was all of it about infants?" in text_of(alice.get("/my-year"))
    assert "a question about" not in text_of(carol.get("/coordinator"))
    [question] = web.cast.rows("entry_question")
    own = f"/questions/{question['id']}"
    assert alice.post(own, {"action": "answer", "text": ""}).status_code == 422
    assert alice.post(own, {"action": "answer", "text": "Yes, all of it."}).status_code == 303
    assert "Yes, all of it." in text_of(carol.get(path))
    assert "answered a question about" in text_of(carol.get("/coordinator"))
    form = {"action": "settle", "question": str(question["id"])}
    assert carol.post(path, form).status_code == 303
    assert "Settled" in text_of(carol.get(path))
    assert "answered a question about" not in text_of(carol.get("/coordinator"))
    assert "Was all of it" not in text_of(alice.get("/my-year"))


def test_a_correction_changes_nothing_without_consent(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web)
    form = {"day": "2", "month": "5", "year": "2026", "hours": "6", "title": "Infant week"}
    save(carol, path, action="propose", propose_text="The program says 6 hours.", **form)
    table = {"id": web.cast.entries["training"]}
    assert web.cast.rows("entry", **table)[0]["minutes"] == 990
    [question] = web.cast.rows("entry_question")
    alice, own = web.visit(ALICE), f"/questions/{question['id']}"
    page = text_of(alice.get(own))
    assert "Length 16.5 hours 6 hours" in page
    assert alice.post(own, {"action": "accept"}).status_code == 303
    [entry] = web.cast.rows("entry", **table)
    assert (entry["minutes"], entry["title"]) == (360, "Infant week")
    assert web.cast.rows("entry_question")[0]["state"] == "settled"
    timeline = f"/coordinator/person/{web.cast.people[ALICE]}/timeline"
    assert "Correction accepted: Infant week, May 2, 2026" in text_of(carol.get(timeline))


def test_a_correction_of_a_changed_session_is_refused(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web)
    form = {"day": "2", "month": "5", "year": "2026", "hours": "6", "title": "Infant week"}
    save(carol, path, action="propose", propose_text="6 hours?", **form)
    alice = web.visit(ALICE)
    edit = alice.get(f"/entries/{web.cast.entries['training']}/edit").text
    version = re.findall(r'name="version"[^>]*value="(\w+)"', edit)
    changed = {"activity": "training", **form, "hours": "5", "version": version[0]}
    assert alice.post(f"/entries/{web.cast.entries['training']}/edit", changed).status_code == 303
    [question] = web.cast.rows("entry_question")
    answer = alice.post(f"/questions/{question['id']}", {"action": "accept"})
    assert "The session has changed since this correction was proposed" in text_of(answer)


def test_other_people_see_and_change_nothing(web: WebClient) -> None:
    path = entry_path(web)
    for email in (DAN, BOB, ALICE):
        visitor = web.visit(email)
        assert visitor.get(path).status_code == 404
        assert visitor.post(path, {"action": "confirm"}).status_code == 404
    assert web.visit(CAROL).get(entry_path(web, "erin", ERIN)).status_code == 404
    mixed = f"/coordinator/person/{web.cast.people[ALICE]}/entries/{web.cast.entries['erin']}"
    assert web.visit(CAROL).get(mixed).status_code == 404


def test_an_undone_question_is_withdrawn_with_its_email(web: WebClient) -> None:
    carol, path = web.visit(CAROL), entry_path(web)
    save(carol, path, action="ask", ask_text="Was all of it about infants?")
    undo_last(carol)
    assert web.cast.rows("entry_question") == []
    assert [row["state"] for row in web.cast.rows("outbox")] == ["dropped"]
    assert "Was all of it" not in text_of(web.visit(ALICE).get("/my-year"))
