"""Submissions, audits, payments, and leave in merged, removed, and exported records."""

import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from sqlmodel import Session

from tests.services.people.test_merging import add
from tests.services.people.test_removals import all_rows
from tests.support.auditing import acts, ask_everyone, submit
from tests.support.cast import BOOKS, PAYING, Cast
from tests.support.paying import IVY, JON, add_payers, pay_for_both, payment_for
from tests.support.submitting import CYCLE, FAY, GIL, SUBMITTED_AT, add_endorsee, fill_with_fay
from tracker.db.people import Person
from tracker.exports.my_data import write_my_data
from tracker.refusal_text import format_refusal
from tracker.rules.stages import AuditVerdict
from tracker.services.audit_decisions import ItemVerdict, record_verdicts
from tracker.services.audits import send_documents
from tracker.services.context import Actor, Refusal, Refused, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.fees import record_payment
from tracker.services.merging import merge_people
from tracker.services.removals import list_removable, remove_row
from tracker.services.unmerging import undo_removal_or_merge

DUE = date(2027, 12, 15)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def operator(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor("tracker person"), SUBMITTED_AT)


def audit_fay(operator: ServiceContext, cast: Cast) -> None:
    """Fay has submitted, is audited with one verdict, and was on leave for a month."""
    submit(operator.session, cast, FAY, SUBMITTED_AT)
    [case] = ask_everyone(operator.session, cast, SUBMITTED_AT, DUE)
    send_documents(acts(operator.session, cast, FAY, SUBMITTED_AT), case, "By mail")
    verdict = ItemVerdict(AuditVerdict.NOT_SUPPORTED, "No date")
    record_verdicts(operator, case, {cast.entries["fay"]: verdict})
    held = {"endorsement_id": cast.endorsements[FAY], "starts_on": CYCLE}
    add(operator.session, "leave", **held, ends_on=CYCLE + timedelta(days=30))


def add_gil(operator: ServiceContext, cast: Cast) -> None:
    add_endorsee(operator.session, cast, GIL, "Gil Mahoe")
    everyone = {cast.people[FAY], cast.people[GIL]}
    evaluate_people(operator.session, BOOKS, everyone, SUBMITTED_AT)


def merge(operator: ServiceContext, cast: Cast, kept: str, other: str) -> int:
    people = [operator.session.get_one(Person, cast.people[each]) for each in (kept, other)]
    return merge_people(operator, people[0], people[1], "One person", "same").removal_id


def refusals(operator: ServiceContext, cast: Cast, kept: str, other: str) -> list[str]:
    with pytest.raises(Refused) as refused:
        merge(operator, cast, kept, other)
    return [format_refusal(one.code, one.facts) for one in refused.value.refusals]


def test_an_audited_renewal_moves_and_comes_back(operator: ServiceContext, cast: Cast) -> None:
    audit_fay(operator, cast)
    add_gil(operator, cast)
    before = all_rows(operator.session)
    removal = merge(operator, cast, GIL, FAY)
    after = all_rows(operator.session)
    for table in ("submission", "audit_case", "audit_item", "leave"):
        assert len(after[table]) == 1, table
        assert cast.endorsements[GIL] in after[table][0], table
    assert undo_removal_or_merge(operator, removal).left_alone == []
    back = all_rows(operator.session)
    # A certificate that was issued meanwhile stays, so that its number shows as revoked.
    assert back.pop("certificate")[:1] == before.pop("certificate")
    assert back == before


def test_two_submissions_of_one_renewal_do_not_merge(operator: ServiceContext, cast: Cast) -> None:
    submit(operator.session, cast, FAY, SUBMITTED_AT)
    add_gil(operator, cast)
    submit(operator.session, cast, GIL, SUBMITTED_AT)
    [refusal] = refusals(operator, cast, GIL, FAY)
    assert "have submitted the renewal that begins on January 1, 2025" in refusal


def test_payment_moves_to_the_kept_record(operator: ServiceContext, cast: Cast) -> None:
    add_payers(operator.session, cast)
    record_payment(operator, payment_for(cast, 7500, JON))
    evaluate_people(operator.session, BOOKS, {cast.people[IVY]}, SUBMITTED_AT)
    before = all_rows(operator.session)
    removal = merge(operator, cast, IVY, JON)
    [share] = all_rows(operator.session)["payment_share"]
    assert cast.endorsements[IVY] in share
    assert undo_removal_or_merge(operator, removal).left_alone == []
    assert all_rows(operator.session) == before


def test_payment_for_both_records_is_corrected_first(operator: ServiceContext, cast: Cast) -> None:
    add_payers(operator.session, cast)
    pay_for_both(operator.session, cast)
    [refusal] = refusals(operator, cast, IVY, JON)
    assert "The payment of November 18, 2026 by Family Agency has a part for each" in refusal


def test_removed_endorsement_takes_its_audit_along(operator: ServiceContext, cast: Cast) -> None:
    audit_fay(operator, cast)
    before = all_rows(operator.session)
    [held] = list_removable(operator.session, "endorsement", FAY)
    removal = remove_row(operator, held, "A typing error")
    after = all_rows(operator.session)
    assert after["submission"] == after["audit_case"] == after["audit_item"] == []
    assert undo_removal_or_merge(operator, removal.id).left_alone == []
    assert all_rows(operator.session) == before


def test_sessions_of_a_submitted_renewal_stay(operator: ServiceContext, cast: Cast) -> None:
    submit(operator.session, cast, FAY, SUBMITTED_AT)
    [entry] = list_removable(operator.session, "entry", FAY)
    with pytest.raises(Refused) as refused:
        remove_row(operator, entry, "Wrong person")
    assert refused.value.refusals == (Refusal("reason", "entry-of-submitted"),)


def export(session: Session, cast: Cast, email: str) -> dict[str, Any]:
    archive = io.BytesIO()
    write_my_data(session, cast.people[email], archive, SUBMITTED_AT)
    records: dict[str, Any] = json.loads(ZipFile(archive).read("other.json"))
    return records


def test_own_data_has_submission_audit_and_leave(operator: ServiceContext, cast: Cast) -> None:
    audit_fay(operator, cast)
    records = export(operator.session, cast, FAY)
    assert records["submission"][0]["signed_name"] == "Fay Lani"
    assert records["certificate"][0]["cycle_starts_on"] == "2025-01-01"
    assert records["audit_case"][0]["due_on"] == DUE.isoformat()
    assert records["audit_item"][0]["reason"] == "No date"
    assert records["leave"][0]["starts_on"] == CYCLE.isoformat()
    changed = {event["table_name"] for event in records["history"]}
    assert {"submission", "audit_case", "audit_item"} <= changed


def test_own_data_has_only_the_own_part_of_payments(operator: ServiceContext, cast: Cast) -> None:
    add_payers(operator.session, cast)
    pay_for_both(operator.session, cast)
    [payment] = export(operator.session, cast, IVY)["payment"]
    assert payment["cents"] == 7500
    assert (payment["payer"], payment["paid_on"]) == ("Family Agency", "2026-11-18")
    assert "15000" not in json.dumps(export(operator.session, cast, IVY))
    assert PAYING in json.dumps(payment)
