"""The public page on which anyone verifies a certificate by its number."""

from collections.abc import Iterator

import pytest

from tests.support.submitting import FAY, SUBMITTED_AT, fill_with_fay
from tests.web.client import WebClient, text_of
from tests.web.year.test_submitting import submit
from tracker.services.certificates import generate_number


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    """Fay's renewal is accepted."""
    cast = fill_with_fay(sqlite_url)
    web = WebClient(cast, SUBMITTED_AT)
    submit(web)
    yield web
    cast.engine.dispose()


def number_of(web: WebClient) -> str:
    [certificate] = web.cast.rows("certificate")
    return str(certificate["number"])


def test_a_typed_number_leads_to_the_page(web: WebClient) -> None:
    visitor = web.visit()
    typed = number_of(web).lower().replace("-", " ")
    answer = visitor.client.get("/verify", params={"number": typed})
    assert answer.headers["location"] == f"/verify/{number_of(web)}"
    page = visitor.follow(answer)
    assert "This certificate is valid" in text_of(page)
    assert page.headers["x-robots-tag"] == "noindex, nofollow"


def test_the_page_has_six_facts_and_no_address(web: WebClient) -> None:
    page = web.visit().get(f"/verify/{number_of(web)}")
    main = page.text.partition("<main")[2].partition("</main>")[0]
    words = text_of(page)
    for fact in (
        "Fay Lani",
        "Infant Family Specialist (IFS)",
        "Association of Attestations",
        "Issued November 15, 2027",
        "Valid from November 15, 2027",
        "Valid through December 31, 2030",
    ):
        assert fact in words
    person = web.cast.people[FAY]
    for private in (FAY, "fay@", f"/person/{person}", "hours", "Training", "membership"):
        assert private not in main


@pytest.mark.parametrize("typed", ["7F3H-2QXP-94RH-WVM6", "7F3H", "Fay Lani", "O" * 16])
def test_wrong_and_malformed_numbers_have_one_answer(web: WebClient, typed: str) -> None:
    visitor = web.visit()
    by_form = visitor.client.get("/verify", params={"number": typed})
    if by_form.status_code == 303:
        by_form = visitor.follow(by_form)
    by_path = visitor.get(f"/verify/{typed}")
    expected = "No certificate has this number. Check all 16 letters and digits"
    for answer in (by_form, by_path):
        assert answer.status_code == 404
        assert expected in text_of(answer)


def test_guessing_numbers_has_an_end(web: WebClient) -> None:
    visitor = web.visit()
    most = web.cast.settings.sign_in.unknown_certificates_per_client
    for _ in range(most):
        assert visitor.get(f"/verify/{generate_number()}").status_code == 404
    answer = visitor.get(f"/verify/{generate_number()}")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    # A client that guesses learns nothing of a real one either.
    assert visitor.get(f"/verify/{number_of(web)}").status_code == 429
    web.pass_time(hours=1)
    assert visitor.get(f"/verify/{number_of(web)}").status_code == 200


def test_right_numbers_are_never_counted(web: WebClient) -> None:
    visitor = web.visit()
    most = web.cast.settings.sign_in.unknown_certificates_per_client
    for _ in range(most + 1):
        assert visitor.get(f"/verify/{number_of(web)}").status_code == 200
