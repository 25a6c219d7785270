"""What the referees wrote is the association's to read: the applicant is told only that it came."""

from typing import Any

import pytest

from tests.web.applicants import IRIS, VERA, apply
from tests.web.visiting import TRAINING, WebClient, text_of

# All that were asked for came; what the rule makes of them differs.
DENIED = ["program-supervisor denied", "rsc-provider as IMHM-C", "colleague"]
NOBODY_ENDORSED = ["program-supervisor", "rsc-provider", "colleague"]
NO_PLACE = ["program-supervisor", *["parent as IMHM-C"] * 3, "colleague waiting"]
JUDGED = ("fill none", "fills none", "must be endorsed", "places left", "in place", "1 reference")


def iris(house: WebClient, references: list[str]) -> str:
    """Iris applies with these references; the path of her application."""
    case: dict[str, Any] = {"applies": "VAIMH IMHS 2026-01-05", "references": references}
    house.cast.people[IRIS], number = apply(house.cast.engine, IRIS, "Iris Day", case)
    house.cast.applications[IRIS] = number
    return f"/application/{number}"


def told_everywhere(house: WebClient, path: str) -> str:
    """All that Iris is shown of her application."""
    visitor = house.visit(IRIS)
    saved = visitor.follow(visitor.post("/log", TRAINING))
    pages = [visitor.get(p) for p in (path, f"{path}/references", "/my-year")]
    return " ".join(text_of(page) for page in [saved, *pages])


@pytest.mark.parametrize("references", [DENIED, NOBODY_ENDORSED, NO_PLACE])
def test_an_applicant_is_told_nothing_that_only_referees_said(
    page_hall: WebClient, references: list[str]
) -> None:
    told = told_everywhere(page_hall, iris(page_hall, references))
    assert "References 3 of 3 received" in told
    assert "waiting; your coordinator can tell you what is still needed." in told
    assert "written exam, and references." in told
    for word in JUDGED:
        assert word not in told


def test_the_number_received_is_told_whole(page_hall: WebClient) -> None:
    told = told_everywhere(page_hall, iris(page_hall, NO_PLACE))
    assert "4 received, 1 waiting" in told


def test_while_some_are_waited_for_the_applicant_is_told_how_many_are_missing(
    page_hall: WebClient,
) -> None:
    told = told_everywhere(page_hall, iris(page_hall, ["program-supervisor denied", "colleague"]))
    assert "References 2 of 3 received" in told
    assert "written exam, and 1 reference." in told
    assert "still needed" not in told


def test_the_coordinator_is_told_what_the_rule_makes_of_them(page_hall: WebClient) -> None:
    iris(page_hall, DENIED)
    path = f"/coordinator/applicants/{page_hall.cast.applications[IRIS]}"
    page = text_of(page_hall.visit(VERA).get(path))
    assert "References 2 of 3 in place" in page
    assert "3 received, 0 waiting; 1 of them fills none of the places left" in page
    assert "Your coordinator" not in page
