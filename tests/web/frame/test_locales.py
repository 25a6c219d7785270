"""Pages and exports are in the locale of the association that they are about."""

from dataclasses import replace
from datetime import date

import pytest
from icalendar import Calendar
from sqlalchemy import insert, update

from tests.support.cast import ALICE, BOOKS, CAROL, NOW
from tests.web.client import WebClient, text_of
from tests.web.exports.test_calendar_feed import address_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.services.evaluation import evaluate_people


def with_locale(association: str, locale: str) -> Rulebooks:
    rulebook = BOOKS.associations[association].model_copy(update={"locale": locale})
    return replace(BOOKS, associations={**BOOKS.associations, association: rulebook})


@pytest.mark.parametrize(
    ("association", "day", "other"),
    [("NCIMHA", "December 31", "31 December"), ("CT-AIMH", "31 December", "December 31")],
)
def test_a_desk_is_in_the_locale_of_its_association(
    sqlite_web: WebClient, association: str, day: str, other: str
) -> None:
    own = {"email": CAROL, "name": "Carol Reyes", "role": "coordinator", "starts_on": NOW.date()}
    with writing(sqlite_web.cast.engine) as session:
        for each in ("NCIMHA", "CT-AIMH"):
            values = {**own, "association": each, "added_at": NOW, "added_by": "test"}
            session.connection().execute(insert(METADATA.tables["team_role"]).values(values))
    web = WebClient(sqlite_web.cast, rulebooks=with_locale("CT-AIMH", "en_GB"))
    page = text_of(web.visit(CAROL).get(f"/coordinator/rules?association={association}"))
    assert day in page
    assert other not in page


def test_a_calendar_is_in_the_locale_of_the_endorsement(sqlite_web: WebClient) -> None:
    web = WebClient(sqlite_web.cast, rulebooks=with_locale("NCIMHA", "en_GB"))
    address = address_of(web.visit(ALICE))
    with writing(web.cast.engine) as session:
        vetting = update(METADATA.tables["vetting"]).values(ends_on=date(2026, 12, 5))
        session.connection().execute(vetting)
        evaluate_people(session, web.rulebooks, web.cast.people.values(), NOW)
    # Programs read it without signing in.
    events = Calendar.from_ical(web.visit().get(address).content).events
    texts = [str(event["description"]).partition("\n")[0] for event in events]
    assert "Dana Ruiz's vetting by NCIMHA ends on 5 December 2026." in texts


def test_a_transcript_is_in_the_locale_of_the_endorsement(sqlite_web: WebClient) -> None:
    web = WebClient(sqlite_web.cast, rulebooks=with_locale("NCIMHA", "en_GB"))
    path = f"/transcript/{web.cast.endorsements[ALICE]}/2026-01-01"
    assert "31 December 2026" in text_of(web.visit(ALICE).get(path))
