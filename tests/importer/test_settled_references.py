"""References that changed on the pages after their file was made."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from tests.importer.importer import PEOPLE, Importer
from tests.importer.test_references import ANSWER, APPLIED, ASKED, NO_ANSWER, csv_of
from tests.support.cast import BOOKS
from tracker.db.engine import writing
from tracker.db.log import AuditEvent
from tracker.services.context import Actor, ServiceContext
from tracker.services.reference_submission import (
    ReferenceAnswer,
    decline_reference,
    open_link,
    submit_reference,
)
from tracker.services.references import withdraw_referee

NOW = datetime(2024, 5, 20, 17, tzinfo=UTC)
RATED = {"familiarity": "Familiar", "practice": "Good"}
SIGNED = ReferenceAnswer(True, "I lead her program", "CT-AIMH", "IFS", False, "Rita", RATED)  # noqa: FBT003
COLUMNS = ("name", "role", *ReferenceAnswer._fields[:-1], "received_at")


def ask(importer: Importer) -> None:
    """Import Alice's application, for which she names Rita."""
    importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(ASKED))


def answer_by_link(importer: Importer, answer: ReferenceAnswer | None) -> None:
    """Let Rita sign her answer; None: she declines."""
    with writing(importer.engine) as session:
        link = open_link(session, 1, NOW)
        context = ServiceContext(session, BOOKS, Actor("rita@example.net"), NOW)
        if answer is None:
            assert decline_reference(context, link.token)
        else:
            assert submit_reference(context, link.token, answer)


def remove(importer: Importer) -> None:
    """Let Alice remove Rita on the page."""
    [(reference_id,)] = importer.rows("reference", "id")
    with writing(importer.engine) as session:
        actor = Actor("alice@example.org", 1)
        context = ServiceContext(session, BOOKS, actor, NOW + timedelta(days=1))
        withdraw_referee(context, 1, reference_id)


@pytest.mark.parametrize(
    "cells",
    [
        {},
        NO_ANSWER,
        ANSWER,
        ANSWER | {"received_on": "2024-05-20", "signed_as": "Somebody else"},
        {"role": "teacher", "referee_name": "R. Roe"},
        {"endorsed_by": "MI-AIMH", "endorsed_as": "IMHM-C"},
    ],
)
def test_no_file_changes_an_answer_by_link(importer: Importer, cells: dict[str, str]) -> None:
    ask(importer)
    answer_by_link(importer, SIGNED)
    before = importer.all_rows()
    report = importer.run(references=csv_of(ASKED | cells))
    assert report.counts["references"].unchanged == 1
    assert importer.all_rows() == before
    assert importer.rows("reference", *COLUMNS) == [("Rita Roe", "supervisor", *SIGNED[:-1], NOW)]


def test_another_file_corrects_an_imported_answer(importer: Importer) -> None:
    ask(importer)
    with writing(importer.engine) as session:
        open_link(session, 1, NOW)
    importer.run(references=csv_of(ASKED | ANSWER))
    importer.run(references=csv_of(ASKED | ANSWER | {"signed_as": "R. Roe", "vetted": "yes"}))
    assert importer.rows("reference", "signed_as", "vetted") == [("R. Roe", True)]


@pytest.mark.parametrize("received_on", ["", "2024-05-01", "2024-05-02"])
def test_an_empty_cell_keeps_an_imported_answer(importer: Importer, received_on: str) -> None:
    ask(importer)
    importer.run(references=csv_of(ASKED | ANSWER | {"vetted": "yes"}))
    expected = importer.rows("reference", *ReferenceAnswer._fields)
    importer.run(references=csv_of(ASKED | NO_ANSWER | {"received_on": received_on}))
    assert importer.rows("reference", *ReferenceAnswer._fields) == expected


def test_an_unchanged_file_restores_no_removed_referee(
    importer: Importer,
) -> None:
    ask(importer)
    remove(importer)
    before = importer.all_rows()
    report = importer.run(people=PEOPLE, applications=APPLIED, references=csv_of(ASKED))
    assert (report.counts["references"].unchanged, report.person_ids) == (1, set())
    assert importer.all_rows() == before
    assert importer.rows("reference") == []


@pytest.mark.parametrize("news", [{"role": "teacher"}, {"referee_name": "Dr. Roe"}, ANSWER])
def test_new_content_names_a_removed_referee_again(
    importer: Importer, news: dict[str, str]
) -> None:
    ask(importer)
    remove(importer)
    assert importer.run(references=csv_of(ASKED | news)).counts["references"].added == 1


def test_another_applicants_removal_is_nobody_elses(importer: Importer) -> None:
    ask(importer)
    remove(importer)
    bobs = {"email": "bob@example.org"}
    importer.run(applications=APPLIED.replace("alice", "bob"), references=csv_of(ASKED | bobs))
    assert importer.rows("reference", "application_id") == [(2,)]


@pytest.mark.parametrize("answer", [SIGNED, None])
def test_old_files_skip_settled_referees(
    importer: Importer, answer: ReferenceAnswer | None
) -> None:
    ask(importer)
    answer_by_link(importer, answer)
    importer.run(
        applications="email,association,category,opened_on,decided_on,state\n"
        "alice@example.org,NCIMHA,IFS,2024-01-10,2024-05-25,declined\n"
        "alice@example.org,NCIMHA,IFS,2024-06-01,,\n"
    )
    before = importer.rows("reference")
    report = importer.run(references=csv_of(ASKED))
    assert report.counts["references"].unchanged == 1
    assert importer.rows("reference") == before


@pytest.mark.parametrize("happened", ["answered", "removed"])
def test_an_import_does_not_read_the_audit_log(importer: Importer, happened: str) -> None:
    ask(importer)
    if happened == "answered":
        answer_by_link(importer, SIGNED)
    else:
        remove(importer)
    with writing(importer.engine) as session:
        session.connection().execute(delete(AuditEvent))
    before = importer.all_rows()
    report = importer.run(people=PEOPLE, references=csv_of(ASKED))
    assert report.counts["references"].unchanged == 1
    assert importer.all_rows() == before
