"""Audits in the browser: the draw on the desk, the endorsee's documents, and the decision."""

import hashlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.auditing import SEED, ask_everyone, submit
from tests.support.cast import ATTESTING, BASE_URL, KAI
from tests.support.files import PDF
from tests.support.submitting import FAY, SUBMITTED_AT, fill_with_fay
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.test_entries import save, undo_last
from tracker.db.engine import writing
from tracker.db.log import Entry

DRAW = {
    "association": ATTESTING,
    "ends_from": "2027-12-31",
    "ends_through": "2027-12-31",
    "quota": "share",
    "amount": "10",
    "seed": SEED,
}
# What Fay has attested to and not logged.
HOURS = {"hours-training": "25", "hours-rsc": "36:00"}
DUE = {"ends_day": "15", "ends_month": "12", "ends_year": "2027"}


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    """Fay has submitted, and was accepted by herself."""
    cast = fill_with_fay(sqlite_url)
    with writing(cast.engine) as session:
        submit(session, cast, FAY, SUBMITTED_AT)
    yield WebClient(cast, SUBMITTED_AT)
    cast.engine.dispose()


@pytest.fixture
def kai(web: WebClient) -> Visitor:
    return web.visit(KAI)


@pytest.fixture
def fay(web: WebClient) -> Visitor:
    return web.visit(FAY)


@pytest.fixture
def case_id(web: WebClient) -> int:
    """Fay's audit, for which documents were asked."""
    with writing(web.cast.engine) as session:
        return ask_everyone(session, web.cast, SUBMITTED_AT, date(2027, 12, 15))[0]


def upload(visitor: Visitor, case_id: int, entry_id: int, content: bytes = PDF) -> int:
    answer = visitor.client.post(
        f"/audits/{case_id}/documents",
        data={"entry": str(entry_id)},
        files=[("files", ("certificate.pdf", content))],
        headers={"Origin": BASE_URL},
    )
    return answer.status_code


def case_of(web: WebClient) -> dict[str, object]:
    [case] = web.cast.rows("audit_case")
    return dict(case)


def judge(kai: Visitor, web: WebClient, verdict: str, reason: str = "") -> None:
    entry, case = web.cast.entries["fay"], case_of(web)["id"]
    form = {f"verdict-{entry}": verdict, f"reason-{entry}": reason, "action": "verdicts"}
    if verdict == "supported":
        form |= HOURS
    assert kai.post(f"/coordinator/audits/cases/{case}", form).status_code == 303


def test_a_draw_is_fixed_then_drawn_then_asked(web: WebClient, kai: Visitor) -> None:
    fixed = kai.post("/coordinator/audits", DRAW)
    path = fixed.headers["location"]
    page = text_of(kai.get(path))
    [row] = web.cast.rows("audit_draw")
    assert row["frame_hash"] in page
    assert SEED in page
    assert "Fay Lani" not in page
    assert "1 of 1 renewal" in page
    kai.post(path, {"action": "draw"})
    assert "Fay Lani IFS 2025 to 2027 Not asked yet" in text_of(kai.get(path))
    assert web.mails() == []
    preview = save(kai, path, action="ask", **DUE)
    assert "documents for your renewal by December 15, 2027" in preview
    assert "asks for documents that support your renewal" in web.mails()[-1]
    assert case_of(web)["state"] == "asked"
    undo_last(kai)
    assert case_of(web)["state"] == "drawn"
    assert {row["state"] for row in web.cast.rows("outbox", kind="request")} == {"dropped"}


def test_a_draw_is_made_once(web: WebClient, kai: Visitor) -> None:
    path = kai.post("/coordinator/audits", DRAW).headers["location"]
    for _ in range(2):
        kai.post(path, {"action": "draw"})
    assert len(web.cast.rows("audit_case")) == 1


def test_a_draw_is_public_before_anyone_is_drawn(web: WebClient, kai: Visitor) -> None:
    assert "No draw yet" in text_of(web.visit().get("/audits/ATTESTING"))
    path = kai.post("/coordinator/audits", DRAW).headers["location"]
    public = text_of(web.visit().get("/audits/ATTESTING"))
    [row] = web.cast.rows("audit_draw")
    for fact in (row["frame_hash"], SEED, "December 31, 2027", "10%", "1 of 1 renewal"):
        assert fact in public
    assert "Fay" not in public
    answer = kai.post("/coordinator/audits", DRAW)
    assert problems(answer)[0][1].startswith("Draw 1 has these renewals in its list already")
    answer = kai.post(f"{path}/discard", {})
    assert problems(answer)[0][0] == "discard_reason"
    kai.post(f"{path}/discard", {"discard_reason": "Fay asked me to"})
    assert "Fay asked me to" in text_of(kai.get("/coordinator/audits"))
    public = text_of(web.visit().get("/audits/ATTESTING"))
    assert "Draw 1, discarded" in public
    assert "Fay" not in public
    assert "Draw now" not in kai.get(path).text
    assert kai.post("/coordinator/audits", DRAW).status_code == 303
    assert web.visit().get("/audits/NOBODY").status_code == 404


def test_the_command_can_be_copied(kai: Visitor) -> None:
    answer = kai.post("/coordinator/audits", DRAW | {"seed": "$(touch x)"})
    assert problems(answer) == [("seed", "Use letters from A to Z, digits, spaces, and - . : only")]
    path = kai.post("/coordinator/audits", DRAW).headers["location"]
    assert f"python redo.py '{SEED}' IFS 1" in text_of(kai.get(path))


def test_a_reason_without_a_verdict_is_kept(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    fay.post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    path, entry = f"/coordinator/audits/cases/{case_id}", web.cast.entries["fay"]
    form = {"action": "verdicts", f"reason-{entry}": "Another year"}
    answer = kai.post(path, form)
    assert problems(answer)[0][0] == f"verdict-{entry}"
    assert 'value="Another year"' in answer.text


def test_saving_no_verdict_changes_nothing(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    fay.post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    before = web.cast.rows("desk_change")
    path = f"/coordinator/audits/cases/{case_id}"
    kai.post(path, {"action": "verdicts"})
    assert "Nothing changed: it was like this already." in kai.get(path).text
    assert web.cast.rows("desk_change") == before


def test_wrong_numbers_and_days_are_explained(kai: Visitor, case_id: int) -> None:
    answer = kai.post("/coordinator/audits", DRAW | {"amount": "all"})
    assert problems(answer)[0] == ("amount", "Enter a percentage from 1 to 100")
    answer = kai.post("/coordinator/audits", DRAW | {"quota": "number", "amount": "10%"})
    assert problems(answer)[0] == ("amount", "Enter a whole number from 1 to 10,000")
    answer = kai.post("/coordinator/audits", DRAW | {"ends_from": "soon"})
    assert answer.status_code == 422
    path = f"/coordinator/audits/cases/{case_id}"
    answer = kai.post(path, {"action": "extend", "reason": "A flood", **DUE})
    words = "Enter a day after the present due date (December 15, 2027)"
    assert problems(answer) == [("ends_day", words)]
    answer = kai.post(path, {"action": "extend", "reason": "A flood", **DUE, "ends_year": "2026"})
    assert problems(answer) == [("ends_day", "Enter a day after today (November 15, 2027)")]


def test_anyone_can_redo_the_draw_with_the_audit_file(
    kai: Visitor, case_id: int, tmp_path: Path
) -> None:
    with ZipFile(io.BytesIO(kai.get("/coordinator/audits/1.zip").content)) as archive:
        archive.extractall(tmp_path)
    frame = (tmp_path / "frame.txt").read_bytes()
    command = [sys.executable, "redo.py", SEED, "IFS", "1"]
    redone = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert redone.stdout.splitlines() == [
        f"SHA-256 of the frame: {hashlib.sha256(frame).hexdigest()}",
        f"1 {frame.decode().strip()}",
    ]
    assert SEED in (tmp_path / "draw.csv").read_text()
    assert f"{case_id},Fay Lani,IFS" in (tmp_path / "renewals.csv").read_text()
    assert "Infancy week" in (tmp_path / "sessions.csv").read_text()


def test_my_year_leads_to_the_documents(web: WebClient, fay: Visitor, case_id: int) -> None:
    assert "send documents for your renewal by December 15, 2027" in text_of(fay.get("/my-year"))
    page = fay.get(f"/audits/{case_id}")
    assert "Infancy week 20 hours , March 2, 2026 : No document" in text_of(page)
    assert "Training, not logged 25 hours , of 45 hours : No document" in text_of(page)
    assert upload(fay, case_id, web.cast.entries["fay"]) == 303
    assert "certificate.pdf" in text_of(fay.get(f"/audits/{case_id}"))
    assert fay.post(f"/audits/{case_id}", {"action": "send"}).status_code == 303
    assert "Your documents are sent" in text_of(fay.get(f"/audits/{case_id}"))


def test_a_file_that_is_not_accepted_leaves_nothing(
    web: WebClient, fay: Visitor, case_id: int
) -> None:
    assert upload(fay, case_id, web.cast.entries["fay"], b"no document") == 422
    assert upload(fay, case_id, 999) == 404
    assert web.cast.rows("evidence") == []
    folder = web.cast.settings.evidence_folder
    assert folder is not None
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_one_upload_is_for_many_things(web: WebClient, fay: Visitor, case_id: int) -> None:
    answer = fay.client.post(
        f"/audits/{case_id}/documents",
        data={"all": "yes", "requirement": ["training", "rsc"]},
        files=[("files", ("one.pdf", PDF)), ("files", ("two.pdf", PDF + b" "))],
        headers={"Origin": BASE_URL},
    )
    assert answer.status_code == 303
    assert len(web.cast.rows("evidence")) == 6
    folder = web.cast.settings.evidence_folder
    assert folder is not None
    stored = {row["stored_as"] for row in web.cast.rows("evidence")}
    assert {path.name for path in folder.rglob("*") if path.is_file()} == stored
    assert text_of(fay.get(f"/audits/{case_id}")).count("one.pdf two.pdf") == 3
    assert "For hours that are not logged as sessions" in text_of(fay.get("/profile/files"))
    fay.post("/profile/files", {"remove": str(web.cast.rows("evidence")[-1]["id"])})
    assert len(web.cast.rows("evidence")) == 6


def test_an_upload_says_what_is_missing(fay: Visitor, case_id: int) -> None:
    answer = fay.client.post(
        f"/audits/{case_id}/documents",
        data={"nothing": ""},
        files=[("unknown", ("", b""))],
        headers={"Origin": BASE_URL},
    )
    assert problems(answer) == [
        ("about", "Choose what the documents are about"),
        ("files", "Choose at least one file"),
    ]


def test_all_verdicts_and_the_outcome_are_one_form(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    fay.post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    path = f"/coordinator/audits/cases/{case_id}"
    assert re.findall("<input[^>]* name=.outcome.[^>]*checked", kai.get(path).text) == []
    answer = kai.post(path, {"action": "decide", "all": "supported", **HOURS})
    assert problems(answer) == [("outcome", "Choose the outcome")]
    wrong = {"hours-training": "lots", "hours-rsc": "37"}
    answer = kai.post(path, {"action": "decide", "outcome": "passed", "all": "supported", **wrong})
    assert problems(answer)[0][0] == "hours-training"
    preview = save(kai, path, action="decide", outcome="passed", all="supported", **HOURS)
    assert "No standing changes." in preview
    assert case_of(web)["state"] == "passed"
    assert [row["supported"] for row in web.cast.rows("audit_hours")] == [1500, 2160]
    undo_last(kai)
    assert web.cast.rows("audit_hours") == web.cast.rows("audit_item") == []
    assert case_of(web)["state"] == "sent"


def test_each_session_without_a_verdict_is_named_with_its_day(sqlite_url: str) -> None:
    cast = fill_with_fay(sqlite_url)
    with writing(cast.engine) as session:
        again = session.get_one(Entry, cast.entries["fay"]).model_dump(exclude={"id"})
        session.add(Entry(**(again | {"held_on": date(2026, 5, 4)})))
        session.flush()
        submit(session, cast, FAY, SUBMITTED_AT)
        case_id = ask_everyone(session, cast, SUBMITTED_AT, date(2027, 12, 15))[0]
    web = WebClient(cast, SUBMITTED_AT)
    web.visit(FAY).post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    path = f"/coordinator/audits/cases/{case_id}"
    form = {"action": "decide", "outcome": "passed", **HOURS}
    words = {words for _, words in problems(web.visit(KAI).post(path, form))}
    assert {
        f"Choose whether “Infancy week” of {day}, 2026 is supported" for day in ("March 2", "May 4")
    } <= words
    cast.engine.dispose()


def test_passing_with_hours_short_is_refused(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    fay.post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    path, entry = f"/coordinator/audits/cases/{case_id}", web.cast.entries["fay"]
    form = {
        "action": "decide",
        "outcome": "passed",
        f"verdict-{entry}": "not supported",
        f"reason-{entry}": "No certificate",
        **HOURS,
    }
    [(field, words)] = problems(kai.post(path, form))
    assert field == "outcome"
    assert "does not meet every requirement: Training (20 hours short)" in words
    assert web.cast.rows("audit_item") == []
    save(kai, path, **{**form, "outcome": "waives", "reason": "A flood"})
    assert [row["requirement"] for row in web.cast.rows("waiver")] == ["training"]
    undo_last(kai)
    assert web.cast.rows("waiver") == []


def test_sending_nothing_is_refused(fay: Visitor, case_id: int) -> None:
    answer = fay.post(f"/audits/{case_id}", {"action": "send"})
    assert problems(answer) == [("note", "Add a document, or write a note")]


def test_sent_documents_are_on_today_until_decided(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    assert "Review audit" not in text_of(kai.get("/coordinator"))
    upload(fay, case_id, web.cast.entries["fay"])
    fay.post(f"/audits/{case_id}", {"action": "send"})
    today = text_of(kai.get("/coordinator"))
    assert "sent documents for the audit of the renewal for 2025 to 2027" in today
    path = f"/coordinator/audits/cases/{case_id}"
    link = re.search(r"/evidence/\d+", kai.get(path).text)
    assert link is not None
    assert kai.get(link[0]).status_code == 200
    judge(kai, web, "supported")
    preview = save(kai, path, action="decide", outcome="passed")
    assert "No standing changes." in preview
    mail = " ".join(web.mails()[-1].split())
    assert "Your renewal passed the audit. Your renewal stays accepted." in mail
    assert "Renewed through: December 31, 2030" in mail
    assert "Review audit" not in text_of(kai.get("/coordinator"))
    assert "It passed the audit." in text_of(fay.get("/my-year"))


def test_nothing_is_offered_that_a_settled_cycle_refuses(web: WebClient, kai: Visitor) -> None:
    held = web.cast.endorsements[FAY]
    person = f"/coordinator/person/{web.cast.people[FAY]}"
    page = kai.get(person).text
    assert f"endorsement={held}&amp;cycle_starts_on=2025-01-01" not in page
    assert f'href="/coordinator/people/{held}/2025-01-01">reopen the cycle</a>' in page


def test_an_overdue_audit_is_on_today(web: WebClient, case_id: int) -> None:
    web.pass_time(days=31)
    assert "sent no documents for the audit" in text_of(web.visit(KAI).get("/coordinator"))
    assert "Overdue" in text_of(web.visit(KAI).get("/coordinator/audits/1"))
    assert case_id


def test_the_preview_shows_what_not_passing_does(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    fay.post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    path = f"/coordinator/audits/cases/{case_id}"
    assert "All burned" in text_of(kai.get(path))
    judge(kai, web, "not supported", "No certificate")
    before = web.cast.rows("settled_cycle")
    preview = save(kai, path, action="decide", outcome="not passed", reason="Nothing to show")
    assert "Met" in preview
    assert "Open, " in preview
    assert "your renewal did not pass the audit" in preview
    assert len(web.mails()) == 1
    [decision] = web.cast.rows("entry_decision")
    assert (decision["kind"], decision["reason"]) == ("excluded", "No certificate")
    page = text_of(fay.get(f"/audits/{case_id}"))
    assert "Not supported : No certificate" in page
    assert "Why do you disagree?" in page
    undo_last(kai)
    assert web.cast.rows("entry_decision") == []
    assert web.cast.rows("settled_cycle") == before
    assert case_of(web)["state"] == "sent"


def test_an_appeal_comes_back_to_the_desk(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    fay.post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    judge(kai, web, "not supported", "No certificate")
    path = f"/coordinator/audits/cases/{case_id}"
    save(kai, path, action="decide", outcome="not passed", reason="Nothing to show")
    answer = fay.post(f"/audits/{case_id}", {"action": "appeal", "appeal": ""})
    assert problems(answer) == [("appeal", "Write why you disagree")]
    fay.post(f"/audits/{case_id}", {"action": "appeal", "appeal": "My employer wrote a letter"})
    assert "appealed against the audit" in text_of(kai.get("/coordinator"))
    judge(kai, web, "supported")
    assert "Met" in save(kai, path, action="decide", outcome="passed", reason="The letter is there")
    rows = web.cast.rows("standing", endorsement_id=web.cast.endorsements[FAY])
    assert rows[-1]["status"] == "met"
    mail = " ".join(web.mails()[-1].split())
    assert "granted your appeal, and your renewal is accepted again." in mail
    assert "stays accepted" not in mail


def test_a_renewal_signed_again_waits_after_a_failed_audit(
    web: WebClient, kai: Visitor, fay: Visitor, case_id: int
) -> None:
    fay.post(f"/audits/{case_id}", {"action": "send", "note": "All burned"})
    judge(kai, web, "not supported", "No certificate")
    path = f"/coordinator/audits/cases/{case_id}"
    save(kai, path, action="decide", outcome="not passed", reason="Nothing to show")
    own = f"/my-year/{web.cast.endorsements[FAY]}/2025-01-01"
    form = {"signed_name": "Fay Lani", "signed": ["ethics", "hours"], "form_key": "b" * 32}
    page = text_of(fay.get(f"{own}/submit"))
    assert "Training 0 of 45 hours Not complete" in page
    assert "Stands for" not in page
    assert "Training 0 of 45 hours Not complete" in text_of(fay.post(f"{own}/submit", form))
    assert "or attest to" not in text_of(fay.get("/my-year"))
    assert fay.post(f"{own}/submit", {**form, "anyway": "yes"}).status_code == 303
    assert "We received your renewal." in web.mails()[-1]
    said = "submitted the renewal for 2025 to 2027: the audit did not pass"
    assert said in text_of(kai.get("/coordinator"))
    review = web.cast.rows("submission")[-1]["id"]
    page = text_of(kai.get(f"/coordinator/renewals/{review}"))
    assert "The audit of this renewal did not pass" in page
    preview = save(kai, f"/coordinator/renewals/{review}", action="accept", accept_reason="Found")
    assert "You are renewed through December 31, 2030" in preview
    undo_last(kai)
    assert web.cast.rows("submission")[-1]["state"] == "submitted"


def test_more_time_is_mailed(web: WebClient, kai: Visitor, case_id: int) -> None:
    path = f"/coordinator/audits/cases/{case_id}"
    later = {**DUE, "ends_day": "22"}
    save(kai, path, action="extend", reason="A flood", **later)
    assert "You have until December 22, 2027 to send your documents" in web.mails()[-1]
    assert case_of(web)["due_on"] == date(2027, 12, 22)


def test_others_see_nothing(web: WebClient, case_id: int) -> None:
    carol, alice = web.visit("carol@example.org"), web.visit("alice@example.org")
    for path in ("/coordinator/audits/1", "/coordinator/audits/1.zip",
                 f"/coordinator/audits/cases/{case_id}"):  # fmt: skip
        assert carol.get(path).status_code == 404
    assert alice.get(f"/audits/{case_id}").status_code == 404
    assert upload(alice, case_id, web.cast.entries["fay"]) == 404
    assert carol.post("/coordinator/audits", DRAW).status_code == 404
