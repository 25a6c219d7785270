"""Coordinators see the entries and files that belong to their association's time."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, select, update

from tests.support.cast import ALICE, CAROL, DAN, NOW, acting
from tests.support.referees import apply
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evidence import ReceivedFile, keep_files
from tracker.services.evidence_storage import EvidenceFolder

JUNE = date(2026, 6, 30)
IN_JUNE = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)  # still the 30th where the association is


def prove(web: WebClient, entry: str, at: datetime) -> str:
    """Add a file to an entry of Alice's; where it can be asked for."""
    folder = EvidenceFolder(web.app.state.site.settings.evidence_folder)
    stored_as = folder.write(b"%PDF-1.4")
    cast = web.cast
    file = ReceivedFile("a.pdf", "application/pdf", 8, stored_as, stored_as)
    with writing(cast.engine) as session:
        keep_files(acting(session, cast, ALICE, at), "", [file], cast.entries[entry])
        table = METADATA.tables["evidence"]
        number = session.scalar(select(table.c.id).filter_by(stored_as=stored_as))
    return f"/evidence/{number}"


def decide(web: WebClient, state: str) -> None:
    """Alice's application at another association, that was decided in June."""
    with writing(web.cast.engine) as session:
        person = web.cast.people[ALICE]
        number = apply(session, person, association="CT-AIMH")
        table = METADATA.tables["application"]
        decided = {"state": state, "decided_on": None if state == "open" else JUNE}
        session.connection().execute(update(table).where(table.c.id == number).values(**decided))


@pytest.fixture
def web(web: WebClient, tmp_path_factory: pytest.TempPathFactory) -> WebClient:
    folder = tmp_path_factory.mktemp("evidence")
    settings = web.cast.settings.model_copy(update={"evidence_dir": folder})
    return WebClient(web.cast, settings=settings)


@pytest.mark.parametrize("state", ["declined", "withdrawn"])
def test_after_a_decision_only_its_basis_is_visible(web: WebClient, state: str) -> None:
    then = prove(web, "training", IN_JUNE)
    late = prove(web, "training", IN_JUNE.replace(hour=5))
    later = prove(web, "rsc", IN_JUNE)
    decide(web, state)
    dan, carol = web.visit(DAN), web.visit(CAROL)
    assert [dan.get(path).status_code for path in (then, late, later)] == [200, 404, 404]
    assert dan.get(late).content == dan.get("/evidence/999999").content
    assert [carol.get(path).status_code for path in (then, late, later)] == [200, 200, 200]


def test_an_undecided_application_shows_all(sqlite_web: WebClient) -> None:
    paths = [prove(sqlite_web, entry, NOW) for entry in ("training", "rsc", "old")]
    dan = sqlite_web.visit(DAN)
    assert {dan.get(path).status_code for path in paths} == {404}
    decide(sqlite_web, "open")
    assert {dan.get(path).status_code for path in paths} == {200}


def test_entries_after_the_endorsement_are_hidden(web: WebClient) -> None:
    before, after = prove(web, "training", NOW), prove(web, "rsc", NOW)
    endorsement = METADATA.tables["endorsement"]
    with writing(web.cast.engine) as session:
        new = insert(endorsement).values(
            person_id=web.cast.people[ALICE],
            association="CT-AIMH",
            category="IFS",
            starts_on=date(2018, 3, 1),
            ends_on=JUNE,
        )
        number = session.connection().execute(new.returning(endorsement.c.id)).scalar_one()
    dan = web.visit(DAN)
    assert [dan.get(path).status_code for path in (before, after)] == [200, 404]
    page = dan.get(f"/coordinator/people/{number}")
    assert page.status_code == 200
    assert "Infant mental health week" in text_of(page)
    assert before in page.text
    assert after not in page.text
    assert "Nov 14" not in text_of(page)
    assert [web.visit(ALICE).get(path).status_code for path in (before, after)] == [200, 200]
