"""A person's timeline: what coordinators see of it, and what is not theirs."""

from tests.support.cast import ALICE, CAROL, DAN, ERIN
from tests.web.client import TRAINING, WebClient, text_of


def timeline(web: WebClient, email: str, whose: str = ALICE, query: str = "") -> str:
    path = f"/coordinator/person/{web.cast.people[whose]}/timeline{query}"
    return text_of(web.visit(email).get(path))


def test_a_logged_session_is_on_the_timeline(web: WebClient) -> None:
    assert web.visit(ALICE).post("/log", TRAINING).status_code == 303
    page = timeline(web, CAROL)
    assert "Session added: Book club, 2 hours, November 20, 2026 by Alice Moreno" in page


def test_foreign_people_have_no_timeline(web: WebClient) -> None:
    path = f"/coordinator/person/{web.cast.people[ERIN]}/timeline"
    assert web.visit(CAROL).get(path).status_code == 404
    assert web.visit(DAN).get(path).status_code == 200
