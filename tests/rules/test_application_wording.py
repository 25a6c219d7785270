"""How far an application is, in a few words."""

from datetime import date

import pytest

from tests.rules.test_readiness import BACHELOR, WORK, apply, result_of
from tracker.rules.application.candidate import CandidateDegree
from tracker.rules.application.wording import (
    RequirementTally,
    format_months,
    format_notes,
    format_progress,
    format_short,
    labels,
    missing_results,
    progress_parts,
    review_results,
    share_missing,
    tally,
)
from tracker.rules.standing import ApplicationStanding

WORK_OF_2028 = WORK._replace(families=7, ends_on=date(2029, 4, 30))


def halfway() -> ApplicationStanding:
    """Maya's application as a specialist, with a part of nearly everything."""
    return apply(
        "VAIMH",
        "IFS",
        minutes={"training": 8 * 60 + 30},
        degrees=(BACHELOR,),
        positions=(WORK_OF_2028,),
        signed=frozenset({"ethics"}),
    )


def test_progress_names_what_counts_of_what() -> None:
    standing = halfway()
    assert {r.requirement.id: format_progress(r) for r in standing.results} == {
        "education": "",
        "training": "8.5 of 30 hours",
        "rsc": "0 of 24 hours",
        "experience": "1 year 4 months of 2 years",
        "experience.families": "7 of 10 families",
        "membership": "",
        "rsc-statement": "",
        "residence": "",
        "ethics": "1 of 2 signed",
        "references": "0 of 3 in place",
    }
    assert progress_parts(result_of(standing, "education")) is None


def test_what_is_missing_has_its_amount() -> None:
    assert [format_short(result) for result in missing_results(halfway())] == [
        "21.5 hours of training",
        "24 hours of reflective supervision",
        "8 months of work experience",
        "families served (3 of 10)",
        "RSC while working",
        "Residence in Virginia",
        "Code of Ethics and Agreement (1 of 2)",
        "3 references",
    ]


def test_tally_leaves_out_what_is_not_needed() -> None:
    assert tally(halfway()) == RequirementTally(done=2, of=10, review=0)
    assert str(tally(halfway())) == "2 of 10"
    associate = CandidateDegree("associate", "AA", date(2020, 5, 15), "none")
    one_of_two = apply("VAIMH", "IFA", degrees=(associate,))
    assert tally(one_of_two).of == len(one_of_two.results) - 1


def test_reviewers_see_what_is_theirs_to_decide() -> None:
    standing = apply("CT-AIMH", "IFS")
    assert [r.requirement.id for r in review_results(standing)] == ["competencies"]
    assert tally(standing).review == 1
    assert format_notes(result_of(standing, "competencies")) == "for the reviewers to decide"
    assert format_notes(result_of(standing, "training")) == ""


def test_shares_of_what_is_missing_add_up() -> None:
    shares = [21.5 / 30, 1, 8 / 24, 3 / 10, 1, 1, 1 / 2, 1]
    assert share_missing(halfway()) == pytest.approx(sum(shares))


@pytest.mark.parametrize(
    ("months", "words"),
    [
        (0, "0 months"),
        (1, "1 month"),
        (12, "1 year"),
        (13, "1 year 1 month"),
        (30, "2 years 6 months"),
    ],
)
def test_months_are_years_and_months(months: int, words: str) -> None:
    assert format_months(months) == words


def test_labels_fit_within_a_sentence() -> None:
    assert labels(missing_results(halfway()))[:2] == ["training", "reflective supervision"]
