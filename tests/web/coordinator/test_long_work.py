"""The page of the desk's long work: progress without a script, the end, and the file."""

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from zipfile import ZipFile

import pytest
from structlog.testing import capture_logs

from tests.support.cast import ALICE, ATTESTING, CAROL, KAI
from tests.support.desk_work import PEOPLE, LongWork, fill_desk, use_small_batches
from tests.web.client import Visitor, WebClient, problems, text_of
from tests.web.coordinator.test_mailings import fields
from tracker.db.desk import TeamRole
from tracker.db.engine import writing
from tracker.exports import certificate_bundles, pdf_files
from tracker.notifications import mailing_sending
from tracker.services.desk_tasks import FILES_KEPT, forget_old_tasks

NEW = f"/coordinator/mail/new?association={ATTESTING}&template=free"
LEA = "lea@example.org"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_batches(monkeypatch.setattr)


@pytest.fixture
def work(database_url: str) -> Iterator[LongWork]:
    cast = fill_desk(database_url)
    yield LongWork(cast)
    cast.engine.dispose()


@pytest.fixture
def web(work: LongWork) -> WebClient:
    return WebClient(work.cast, work.now)


@pytest.fixture
def kai(web: WebClient) -> Visitor:
    return web.visit(KAI)


def send(kai: Visitor) -> str:
    """Send a mailing to everyone at the association; where the answer leads."""
    form = {**fields(kai, NEW), "subject": "A word", "text": "Hello {name}", "send": "yes"}
    answer = kai.post(NEW, form)
    assert answer.status_code == 303, problems(answer)
    return str(answer.headers["location"])


def select(kai: Visitor, action: str) -> str:
    """Choose everyone in the list of people for an action; where the answer leads."""
    answer = kai.post(f"/coordinator/people?association={ATTESTING}", {"action": action})
    assert answer.status_code == 303, problems(answer)
    return str(answer.headers["location"])


def test_a_mailing_to_many_shows_its_progress_without_a_script(
    work: LongWork, kai: Visitor
) -> None:
    path = send(kai)
    assert path == "/coordinator/work/1"
    begun = kai.get(path)
    assert "In progress. You can leave this page: the work goes on." in text_of(begun)
    assert "0 of 5 emails written." in text_of(begun)
    assert begun.headers["refresh"] == "3"
    work.runner.run_waiting(seconds=0)
    half = kai.get(path)
    assert "2 of 5 emails written." in text_of(half)
    assert '<progress value="40" max="100"' in half.text
    work.runner.run_waiting()
    ended = kai.get(path)
    assert "Done. 5 of 5 emails written. Ended November 16, 2027" in text_of(ended)
    assert "refresh" not in ended.headers
    link = re.search(r'href="(/coordinator/mail/\d+)">See what became of each email', ended.text)
    assert link is not None
    assert "0 of 5 delivered, 5 waiting." in text_of(kai.get(link[1]))


def test_a_form_sent_twice_is_one_task(work: LongWork, kai: Visitor) -> None:
    form = {**fields(kai, NEW), "subject": "A word", "text": "Hello", "send": "yes"}
    kai.post(NEW, form)
    again = kai.follow(kai.post(NEW, form))
    assert "This email was already sent. Nothing was sent twice." in text_of(again)
    assert "The emails are being written, 0 of 5 so far." in text_of(again)
    assert again.headers["refresh"] == "10"
    work.runner.run_waiting()
    assert len(work.mailed()) == len(PEOPLE)


def test_a_mailing_can_be_stopped_while_it_is_written(work: LongWork, kai: Visitor) -> None:
    path = send(kai)
    work.runner.run_waiting(seconds=0)
    stop = re.search(r'action="(/coordinator/mail/\d+/stop)"', kai.get(path).text)
    assert stop is not None
    mailing = kai.follow(kai.post(stop[1]))
    assert "Stopped. What had not left will not be sent." in text_of(mailing)
    assert "5 skipped" in text_of(mailing)
    assert "Write to the 5 held back" in text_of(mailing)
    assert "Stopped. 2 of 5 emails written. Ended November 16" in text_of(kai.get(path))
    assert work.runner.run_waiting() == 0


def test_failed_work_can_go_on(
    work: LongWork, kai: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = send(kai)
    work.runner.run_waiting(seconds=0)
    with monkeypatch.context() as patch, capture_logs():
        patch.setattr(mailing_sending, "plan_letter", lambda *_: 1 / 0)
        work.runner.run_waiting()
    failed = kai.get(path)
    words = "Something went wrong on our side. What is done so far is kept."
    assert "Not finished. 2 of 5 emails written. Ended November 16" in text_of(failed)
    assert words in text_of(failed)
    assert words in text_of(kai.get("/coordinator/mail/1"))
    assert "refresh" not in failed.headers
    assert "In progress." in text_of(kai.follow(kai.post(path)))
    # Pressed twice, it goes on once.
    assert kai.post(path).status_code == 303
    work.runner.run_waiting()
    assert "Done." in text_of(kai.get(path))
    assert sorted(work.mailed()) == sorted(work.people)


def test_a_large_audit_file_is_prepared_and_then_downloaded(work: LongWork, kai: Visitor) -> None:
    begun = kai.get("/coordinator/audits/1.zip")
    path = begun.headers["location"]
    assert kai.get("/coordinator/audits/1.zip").headers["location"] == path
    assert kai.get(f"{path}.zip").status_code == 404
    assert "0 of 5 renewals prepared." in text_of(kai.get(path))
    work.runner.run_waiting()
    page = kai.get(path)
    assert "The file will be deleted November 23, 2027" in text_of(page)
    file = kai.get(f"{path}.zip")
    name = f"audit-{ATTESTING.lower()}-1.zip"
    assert file.headers["content-disposition"] == f'attachment; filename="{name}"'
    with ZipFile(io.BytesIO(file.content)) as archive:
        assert len(archive.read("renewals.csv").splitlines()) == 1 + len(PEOPLE)
    assert "download" in [row["kind"] for row in work.cast.rows("security_event")]


def test_a_deleted_file_can_be_prepared_again(work: LongWork, kai: Visitor) -> None:
    path = kai.get("/coordinator/audits/1.zip").headers["location"]
    work.runner.run_waiting()
    with writing(work.cast.engine) as session:
        forget_old_tasks(session, work.now + FILES_KEPT + timedelta(seconds=1))
    assert "The file was deleted." in text_of(kai.get(path))
    assert kai.get(f"{path}.zip").status_code == 404
    assert kai.get("/coordinator/audits/1.zip").headers["location"] != path


@pytest.mark.skipif(not pdf_files.AVAILABLE, reason="typst is not installed")
def test_certificates_of_many_people_are_one_file(work: LongWork, kai: Visitor) -> None:
    people = kai.get(f"/coordinator/people?association={ATTESTING}")
    assert "Certificates" in text_of(people)
    path = select(kai, "certificates")
    # A double tap is one piece of work.
    assert select(kai, "certificates") == path
    work.runner.run_waiting()
    with ZipFile(io.BytesIO(kai.get(f"{path}.zip").content)) as archive:
        contents = [archive.read(name).decode() for name in archive.namelist()]
    assert sorted(contents) == sorted(PEOPLE)


@pytest.mark.skipif(not pdf_files.AVAILABLE, reason="typst is not installed")
def test_certificates_that_are_left_out_are_not_counted(
    work: LongWork, kai: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise pdf_files.TypesettingError

    monkeypatch.setattr(certificate_bundles, "certificate_pdf", refuse)
    path = select(kai, "certificates")
    work.runner.run_waiting()
    shown = text_of(kai.get(path))
    assert "0 of 5 certificates prepared" in shown
    left_out = "5 certificates were left out: not valid today, or a PDF file could not be made."
    assert left_out in shown
    assert "The file was deleted" not in shown


def test_people_without_a_certificate_are_refused(
    work: LongWork, kai: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_files, "AVAILABLE", True)
    monkeypatch.setattr(certificate_bundles, "list_newest_certificates", lambda *_: [])
    answer = kai.post(f"/coordinator/people?association={ATTESTING}", {"action": "certificates"})
    assert dict(problems(answer)) == {"rows": "None of these people has a certificate"}
    assert work.cast.rows("people_selection") == []


def test_other_associations_offer_no_certificates(web: WebClient) -> None:
    page = web.visit(CAROL).get("/coordinator/people")
    assert "Certificates" not in text_of(page)


def test_the_list_names_all_long_work(work: LongWork, kai: Visitor) -> None:
    path = f"/coordinator/work?association={ATTESTING}"
    assert "Nothing has been prepared here yet." in text_of(kai.get(path))
    send(kai)
    kai.get("/coordinator/audits/1.zip")
    listed = text_of(kai.get(path))
    assert "Audit file of draw 1 November 16, 2027" in listed
    assert "Email “A word”" in listed
    assert listed.count("In progress, 0 of 5") == 2
    work.runner.run_waiting()
    assert "Download" in text_of(kai.get(path))


def test_viewers_can_look_and_download_but_not_go_on(web: WebClient, work: LongWork) -> None:
    with writing(work.cast.engine) as session:
        session.add(
            TeamRole(
                association=ATTESTING, email=LEA, name="Lea Poe", role="viewer",
                starts_on=work.now.date(), added_at=work.now, added_by=KAI,
            )
        )  # fmt: skip
    lea = web.visit(LEA)
    path = lea.get("/coordinator/audits/1.zip").headers["location"]
    work.runner.run_waiting()
    assert lea.get(f"{path}.zip").status_code == 200
    assert lea.post(path).status_code == 403


def test_other_associations_find_nothing(web: WebClient, work: LongWork, kai: Visitor) -> None:
    path = kai.get("/coordinator/audits/1.zip").headers["location"]
    work.runner.run_waiting()
    for other in (CAROL, ALICE):
        visitor = web.visit(other)
        for each in (path, f"{path}.zip", f"/coordinator/work?association={ATTESTING}"):
            assert visitor.get(each).status_code == 404
        assert visitor.post(path).status_code == 404
