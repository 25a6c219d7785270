"""The coordinator's page about one endorsee."""

from datetime import date

from tests.support.cast import ALICE, CAROL
from tests.support.referees import apply
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing


def test_an_endorsees_year_is_there_to_read(sqlite_web: WebClient) -> None:
    number = sqlite_web.cast.endorsements[ALICE]
    page = sqlite_web.visit(CAROL).get(f"/coordinator/people/{number}")
    assert "3.5 RSC hours and one DEIA hour to go by December 31." in text_of(page)
    assert "At their current pace, RSC will not be complete by then" in text_of(page)
    assert " your " not in text_of(page)
    assert "Alice Moreno" in text_of(page)
    for word in ("/edit", "/delete", 'href="/log'):
        assert word not in page.text


def test_a_persons_applications_stay_within_reach(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        number = apply(session, sqlite_web.cast.people[ALICE], association="NCIMHA",
                       state="declined", decided_on=date(2026, 10, 5))  # fmt: skip
        apply(session, sqlite_web.cast.people[ALICE], association="CT-AIMH", category="IFS")
    page = sqlite_web.visit(CAROL).get(f"/coordinator/people/{sqlite_web.cast.endorsements[ALICE]}")
    assert "Application for IFS : Declined on October 5, 2026." in text_of(page)
    assert page.text.count("/coordinator/applicants/") == 1
    assert sqlite_web.visit(CAROL).get(f"/coordinator/applicants/{number}").status_code == 200
