"""Only the association's coordinators read references, before and after the decision."""

import json
from typing import Any

import pytest

from tests.support.cast import ALICE, CAROL, DAN
from tests.web.applicants import IDA, IRIS, NORA, VERA, apply
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA

LIST = "/coordinator/applicants"
SECRET = "She once forgot her keys & <script>alert(1)</script>"
NOTED = "Endorsed that day, according to our records"


def path_of(web: WebClient, email: str) -> str:
    return f"{LIST}/{web.cast.applications[email]}"


def write(web: WebClient, role: str, **values: object) -> None:
    """Change what Ida's referee of that role wrote."""
    table = METADATA.tables["reference"]
    whose = table.c.application_id == web.cast.applications[IDA]
    with writing(web.cast.engine) as session:
        session.connection().execute(
            table.update().where(whose, table.c.role == role).values(values)
        )


def shown(web: WebClient, email: str = IDA) -> str:
    """What Vera reads of somebody's references."""
    page = text_of(web.visit(VERA).get(path_of(web, email)))
    return page.partition("What the referees wrote")[2]


def test_a_coordinator_reads_the_whole_reference(applicant_web: WebClient) -> None:
    write(
        applicant_web, "colleague", relationship="We ran a group", signed_as="Jo March", name="Jo"
    )
    write(applicant_web, "colleague", endorsed_by="MI-AIMH", endorsed_as="IFS", vetted=True)
    read = shown(applicant_web)
    assert "Jo Colleague r2@x.org Received on January 5, 2026" in read
    assert "Is “Colleague” correct? Yes How they know the applicant's work We ran a group" in read
    assert "according to the referee Infant Family Specialist (IFS), by Michigan" in read
    assert "Vetted by VAIMH Yes, according to the referee Signed as Jo March" in read


def test_a_coordinator_reads_the_ratings(sqlite_applicant_web: WebClient) -> None:
    rated = [{"id": "practice", "asks": "How do you rate it?", "rating": "I can't rate this"}]
    write(sqlite_applicant_web, "colleague", ratings=json.dumps(rated))
    read = shown(sqlite_applicant_web)
    assert "How do you rate it? I can't rate this" in read
    assert "Ratings None" in read


def test_a_referee_of_another_association_is_shown_by_its_name(
    sqlite_applicant_web: WebClient,
) -> None:
    write(sqlite_applicant_web, "colleague", endorsed_by="AIMH Oslo", endorsed_as="IFS")
    read = shown(sqlite_applicant_web)
    assert "Infant Family Specialist (IFS), by AIMH Oslo" in read


def test_our_records_stand_beside_the_referees_claims(
    applicant_web: WebClient,
) -> None:
    read = shown(applicant_web)
    of_maya = read.partition("maya@example.org")[2]
    assert f"{NOTED} Infant Mental Health Mentor" in of_maya
    assert f"{NOTED} No endorsement on record" in read.partition("maya@example.org")[0]


@pytest.mark.parametrize(
    ("last", "said"), [("2026-01-05", "Infant Mental Health Mentor"), ("2026-01-04", "No endors")]
)
def test_the_record_is_that_of_the_day_received(
    sqlite_applicant_web: WebClient, last: str, said: str
) -> None:
    (maya,) = sqlite_applicant_web.cast.rows("person", email="maya@example.org")
    with sqlite_applicant_web.cast.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE endorsement SET ends_on = '{last}' WHERE person_id = {maya['id']}"  # noqa: S608 - a test's own words
        )
    assert f"{NOTED} {said}" in shown(sqlite_applicant_web).partition("maya@example.org")[2]


def test_denied_and_unanswered_roles_are_shown(
    sqlite_applicant_web: WebClient,
) -> None:
    write(sqlite_applicant_web, "colleague", role_confirmed=False)
    write(sqlite_applicant_web, "rsc-provider", role_confirmed=None)
    read = shown(sqlite_applicant_web)
    assert "Is “Colleague” correct? No, the role is denied" in read
    assert "correct? Not answered" in read


def test_unanswered_references_show_their_state(
    sqlite_applicant_web: WebClient,
) -> None:
    case: dict[str, Any] = {
        "applies": "VAIMH IMHS 2026-01-05",
        "references": ["colleague waiting", "trainer declined"],
    }
    _, sqlite_applicant_web.cast.applications[IRIS] = apply(
        sqlite_applicant_web.cast.engine, IRIS, "Iris Day", case
    )
    read = shown(sqlite_applicant_web, IRIS)
    assert "r0@x.org Not asked" in read
    assert "r1@x.org Not asked Declined on January 5, 2026." in read
    assert "Signed as" not in read
    write_asked = METADATA.tables["reference"].update().values(asked_at=sqlite_applicant_web.now)
    with writing(sqlite_applicant_web.cast.engine) as session:
        session.connection().execute(write_asked)
    assert "r0@x.org Asked on November 22, 2026" in shown(sqlite_applicant_web, IRIS)


@pytest.mark.parametrize("decision", ["endorse", "decline"])
def test_references_stay_readable_after_a_decision(
    sqlite_applicant_web: WebClient, decision: str
) -> None:
    vera = sqlite_applicant_web.visit(VERA)
    form = {"day": "20", "month": "nov", "year": "2026", "answer": "The exam is missing."}
    vera.post(f"{path_of(sqlite_applicant_web, IDA)}/{decision}", form)
    page = text_of(vera.get(path_of(sqlite_applicant_web, IDA)))
    assert "November 20, 2026." in page
    assert "known for years" in page.partition("What the referees wrote")[2]


def test_what_a_referee_wrote_stays_text(sqlite_applicant_web: WebClient) -> None:
    write(
        sqlite_applicant_web,
        "colleague",
        relationship=SECRET,
        signed_as="<b>Jo</b>",
        name="<i>Jo</i>",
    )
    page = sqlite_applicant_web.visit(VERA).get(path_of(sqlite_applicant_web, IDA)).text
    for markup in ("<script>alert", "<b>Jo", "<i>Jo"):
        assert markup not in page
    assert "forgot her keys &amp; &lt;script&gt;" in page


@pytest.mark.parametrize("email", [CAROL, DAN, ALICE, NORA, IDA])
def test_only_that_associations_coordinators_read_it(applicant_web: WebClient, email: str) -> None:
    write(applicant_web, "colleague", relationship=SECRET)
    visitor, number = applicant_web.visit(email), applicant_web.cast.applications[IDA]
    own = f"/application/{number}"
    for path in (path_of(applicant_web, IDA), own, f"{own}/references", "/my-year", LIST):
        assert "forgot her keys" not in visitor.get(path).text
    assert visitor.get(path_of(applicant_web, IDA)).status_code == 404


def test_a_coordinator_cannot_read_their_own_references(
    sqlite_applicant_web: WebClient,
) -> None:
    case: dict[str, Any] = {
        "applies": "VAIMH IMHS 2026-01-05",
        "references": ["program-supervisor denied", "rsc-provider", "colleague"],
    }
    _, sqlite_applicant_web.cast.applications[VERA] = apply(
        sqlite_applicant_web.cast.engine, VERA, "Vera Lane", case
    )
    page = text_of(sqlite_applicant_web.visit(VERA).get(path_of(sqlite_applicant_web, VERA)))
    assert "References 3 of 3 received" in page
    for word in ("What the referees wrote", "known for years", "places left"):
        assert word not in page
