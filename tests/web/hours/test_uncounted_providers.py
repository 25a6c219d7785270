"""A provider who does not count on the day is pointed out before the session is saved."""

from datetime import date

from sqlalchemy import update

from tests.support.cast import ALICE, BOOKS, DANA, NOW
from tests.web.client import RSC, WebClient, text_of
from tests.web.hours.test_editing import form_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people

VETTING = METADATA.tables["vetting"]


def end_vetting(web: WebClient, ends_on: date) -> None:
    with writing(web.cast.engine) as session:
        session.connection().execute(update(VETTING).values(ends_on=ends_on))
        evaluate_people(session, BOOKS, {web.cast.people[DANA]}, NOW)


def form_with_dana(web: WebClient) -> dict[str, str]:
    return RSC | {"provider": str(web.cast.people[DANA])}


def test_a_provider_who_does_not_count_is_asked_about(web: WebClient) -> None:
    end_vetting(web, date(2026, 8, 30))
    alice = web.visit(ALICE)
    asked = alice.log(form_with_dana(web))
    assert asked.status_code == 422
    words = text_of(asked).replace("\xa0", " ")
    assert "This session will not count." in words
    assert "Dana Ruiz's vetting by NCIMHA ended on August 30, 2026." in words
    assert web.cast.rows("entry", held_on=date(2026, 11, 21)) == []
    assert alice.post("/log", form_of(asked)).status_code == 303


def test_another_day_is_asked_about_again(sqlite_web: WebClient) -> None:
    end_vetting(sqlite_web, date(2026, 8, 30))
    alice = sqlite_web.visit(ALICE)
    asked = form_of(alice.log(form_with_dana(sqlite_web)))
    other = alice.post("/log", asked | {"day": "20"})
    assert "This session will not count." in text_of(other)
    assert alice.post("/log", asked | {"month": "8", "day": "29"}).status_code == 303


def test_a_provider_who_counts_is_not_asked_about(sqlite_web: WebClient) -> None:
    assert sqlite_web.visit(ALICE).log(form_with_dana(sqlite_web)).status_code == 303


def test_editing_other_parts_asks_nothing(sqlite_web: WebClient) -> None:
    end_vetting(sqlite_web, date(2026, 8, 30))
    alice = sqlite_web.visit(ALICE)
    path = f"/entries/{sqlite_web.cast.entries['rsc']}/edit"
    form = form_of(alice.get(path))
    assert alice.post(path, form | {"reference": "A-1"}).status_code == 303
