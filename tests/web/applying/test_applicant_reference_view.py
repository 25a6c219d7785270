"""The applicant sees only that references were received; the association reads them."""

from typing import Any

import pytest

from tests.web.applicants import IRIS, VERA, apply
from tests.web.client import TRAINING, WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA

# All that were asked for came; what the rule makes of them differs.
DENIED = ["program-supervisor denied", "rsc-provider as IMHM-C", "colleague"]
NOBODY_ENDORSED = ["program-supervisor", "rsc-provider", "colleague"]
NO_PLACE = ["program-supervisor", *["parent as IMHM-C"] * 3, "colleague waiting"]
JUDGED = ("fill none", "fills none", "must be endorsed", "places left", "in place", "1 reference")
COLLEAGUES = ["colleague", "colleague"]


def iris(web: WebClient, references: list[str], category: str = "VAIMH IMHS") -> str:
    """Iris applies with these references; the path of her application."""
    case: dict[str, Any] = {"applies": f"{category} 2026-01-05", "references": references}
    web.cast.people[IRIS], number = apply(web.cast.engine, IRIS, "Iris Day", case)
    web.cast.applications[IRIS] = number
    return f"/application/{number}"


def told_everywhere(web: WebClient, path: str) -> str:
    """All that Iris is shown of her application."""
    visitor = web.visit(IRIS)
    saved = visitor.follow(visitor.log(TRAINING | {"topic-DEIA": ""}))
    pages = [visitor.get(p) for p in (path, f"{path}/references", "/my-year")]
    return " ".join(text_of(page) for page in [saved, *pages])


GOOD = ["program-supervisor", "rsc-provider as IMHM-C", "colleague"]


def without_names(told: str) -> str:
    """What a page says, but for the names of this test's referees."""
    for line in (*DENIED, *NOBODY_ENDORSED, *GOOD):
        told = told.replace(line, "")
    return " ".join(told.split())


@pytest.mark.parametrize("references", [DENIED, NOBODY_ENDORSED])
def test_a_refusing_referee_changes_no_word(
    sqlite_applicant_web: WebClient, references: list[str]
) -> None:
    path = iris(sqlite_applicant_web, references)
    told = told_everywhere(sqlite_applicant_web, path)
    number = sqlite_applicant_web.cast.applications[IRIS]
    table = METADATA.tables["reference"]
    with writing(sqlite_applicant_web.cast.engine) as session:
        good = {"role_confirmed": True, "endorsed_as": "IMHM-C", "endorsed_by": "VAIMH"}
        own = table.update().where(table.c.application_id == number)
        session.connection().execute(own.values(good))
    visitor = sqlite_applicant_web.visit(IRIS)
    after = " ".join(text_of(visitor.get(p)) for p in (path, f"{path}/references", "/my-year"))
    assert without_names(after) in without_names(told)


@pytest.mark.parametrize("references", [DENIED, NOBODY_ENDORSED])
def test_the_applicant_learns_nothing_referees_wrote(
    sqlite_applicant_web: WebClient, references: list[str]
) -> None:
    told = told_everywhere(sqlite_applicant_web, iris(sqlite_applicant_web, references))
    assert "References 3 of 3 received" in told
    assert "References 3 of 3 received" in told
    assert "exam, and references" not in told
    for word in JUDGED:
        assert word not in told


def test_the_applicant_sees_every_received_reference(sqlite_applicant_web: WebClient) -> None:
    told = told_everywhere(sqlite_applicant_web, iris(sqlite_applicant_web, NO_PLACE))
    assert "4 received, 1 waiting" in told


def test_references_in_a_role_without_a_place_are_missing(
    sqlite_applicant_web: WebClient,
) -> None:
    told = told_everywhere(sqlite_applicant_web, iris(sqlite_applicant_web, NO_PLACE))
    assert "References 1 of 3 received" in told
    assert "4 received, 1 waiting; 3 of them do not fit any remaining place." in told
    assert "written exam, and 2 references." in told


def test_page_and_readiness_count_references_alike(sqlite_applicant_web: WebClient) -> None:
    path = iris(sqlite_applicant_web, COLLEAGUES, "VAIMH IMHM-R/F")
    told = told_everywhere(sqlite_applicant_web, path)
    assert "References 2 of 3 received" in told
    path = f"/coordinator/applicants/{sqlite_applicant_web.cast.applications[IRIS]}"
    page = text_of(sqlite_applicant_web.visit(VERA).get(path))
    assert "References 2 of 3 in place" in page


def test_the_applicant_sees_how_many_are_missing(
    sqlite_applicant_web: WebClient,
) -> None:
    told = told_everywhere(
        sqlite_applicant_web, iris(sqlite_applicant_web, ["program-supervisor denied", "colleague"])
    )
    assert "References 2 of 3 received" in told
    assert "written exam, and 1 reference." in told


def test_the_coordinator_sees_which_references_count(
    sqlite_applicant_web: WebClient,
) -> None:
    iris(sqlite_applicant_web, DENIED)
    path = f"/coordinator/applicants/{sqlite_applicant_web.cast.applications[IRIS]}"
    page = text_of(sqlite_applicant_web.visit(VERA).get(path))
    assert "References 2 of 3 in place" in page
    assert "3 received, 0 waiting; 1 of them does not fit any remaining place" in page
    assert "Your coordinator" not in page
