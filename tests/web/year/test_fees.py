"""My year says what a renewal costs, by when, and how to pay, apart from its requirements."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support.cast import LEE, NOW
from tests.support.paying import IVY, fill_with_ivy, lee, payment_for
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.services.fees import record_payment


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    cast = fill_with_ivy(sqlite_url)
    yield WebClient(cast, NOW)
    cast.engine.dispose()


def pay(web: WebClient, cents: int) -> None:
    with writing(web.cast.engine) as session:
        record_payment(lee(session), payment_for(web.cast, cents, IVY))


def test_the_fee_is_shown_with_its_last_day_and_how_to_pay(web: WebClient) -> None:
    page = text_of(web.visit(IVY).get("/my-year"))
    assert "$75.00 to pay by December 31, 2026. After that, the fee is $100.00." in page
    assert "Mail a check to the Association of Fees" in page


def test_a_paid_fee_says_what_was_paid(web: WebClient) -> None:
    pay(web, 7500)
    page = text_of(web.visit(IVY).get("/my-year"))
    assert "$75.00 paid." in page
    assert "Mail a check" not in page


def test_a_part_leaves_the_rest_to_pay(web: WebClient) -> None:
    pay(web, 5000)
    assert "$25.00 to pay by December 31, 2026" in text_of(web.visit(IVY).get("/my-year"))


def test_the_day_after_the_due_date_the_late_amount_is_owed(sqlite_url: str) -> None:
    web = WebClient(fill_with_ivy(sqlite_url), datetime(2027, 1, 1, 18, tzinfo=UTC))
    held = web.cast.endorsements[IVY]
    page = text_of(web.visit(IVY).get(f"/my-year/{held}/2026-01-01"))
    assert "$100.00 to pay. It was due by December 31, 2026." in page
    web.cast.engine.dispose()


def test_the_persons_page_shows_fees_apart_from_the_standing(web: WebClient) -> None:
    page = text_of(web.visit(LEE).get(f"/coordinator/person/{web.cast.people[IVY]}"))
    assert "Fees Renewal fee $75.00 to pay by December 31, 2026" in page


def test_submit_page_names_the_fee_and_asks_for_no_name(web: WebClient) -> None:
    ivy, path = web.visit(IVY), f"/my-year/{web.cast.endorsements[IVY]}/2026-01-01"
    page = text_of(ivy.get(f"{path}/submit"))
    assert "$75.00 to pay by December 31, 2026. After that, the fee is $100.00." in page
    assert "Mail a check to the Association of Fees" in page
    assert "Type your name" not in page
    assert "Submit the renewal" in page
    ivy.post(f"{path}/submit", {"form_key": "a" * 32, "anyway": "yes"})
    assert "Waiting for your payment." in text_of(ivy.get(path))
    mail = " ".join(web.mails("request")[-1].split())
    assert "Still missing: renewal fee. Renewal fee: Mail a check" in mail
    today = web.visit(LEE).get("/coordinator")
    assert "Record payment" in text_of(today)
    [link] = re.findall(r'href="(/coordinator/fees/payment\?[^"]*)"', today.text)[:1]
    form = web.visit(LEE).get(link.replace("&amp;", "&")).text
    assert re.search(r'name="part\.[^"]*renewal" value="75.00"', form)
