"""Whatever goes wrong is said on a page of ours: what happened, and what to do next."""

import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient

from tests.support.cast import ALICE
from tests.web.client import WebClient, text_of
from tests.web.test_scoping import routes
from tracker.web.errors import format_wait

OWN = {"Origin": "http://testserver"}
SAID = {
    400: "We could not read your request. The address or the form contains something",
    403: "This form did not come from our site. To keep your record safe",
    404: "This page does not exist. It may have been deleted,",
    405: "You can't do that here. This address shows a page or accepts a form,",
    413: "That is too large. It is more than you can send at one time. Nothing was saved.",
    418: "We could not read your request. The address or the form contains something",
    422: "We could not read your request. The address or the form contains something",
    429: "Too many attempts. We limit attempts",
    500: "Something went wrong. This is our fault, and we have recorded it.",
    502: "Something went wrong. This is our fault, and we have recorded it.",
    503: "The site is busy right now. Many people are saving at the same time.",
}


@pytest.fixture
def failing(sqlite_web: WebClient) -> WebClient:
    """A site with a page that fails with any given status."""

    def fail(status: int, wait: str = "") -> None:
        if status == 500:
            raise RuntimeError("not to be told")
        raise HTTPException(status, headers={"Retry-After": wait} if wait else None)

    sqlite_web.app.add_api_route("/fail/{status}", fail)
    return sqlite_web


def client(web: WebClient, email: str = "") -> TestClient:
    cookies = web.visit(email).client.cookies
    return TestClient(
        web.app, follow_redirects=False, raise_server_exceptions=False, cookies=cookies
    )


@pytest.mark.parametrize("status", SAID)
def test_error_pages_explain_and_offer_one_action(failing: WebClient, status: int) -> None:
    answer = client(failing).get(f"/fail/{status}")
    assert answer.status_code == status
    assert text_of(answer).startswith(SAID[status])
    assert answer.text.count('class="button"') == 1
    assert "not to be told" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    # Back from what was refused shows the form with what was typed.
    kept = "no-store" if status == 500 else "private, no-cache"
    assert answer.headers["cache-control"] == kept


def test_too_many_attempts_says_how_long_to_wait(failing: WebClient) -> None:
    answer = client(failing).get("/fail/429?wait=840")
    assert answer.headers["retry-after"] == "840"
    assert "Please try again in 14 minutes." in text_of(answer)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("1", "1 minute"),
        ("61", "2 minutes"),
        ("3599", "1 hour"),
        ("3600", "1 hour"),
        ("3601", "2 hours"),
        (None, "a few minutes"),
    ],
)
def test_waiting_times_are_in_minutes_and_hours(header: str | None, words: str) -> None:
    assert format_wait(header) == words


def test_refused_forms_get_an_error_page(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE).client
    foreign = alice.post("/log", data={}, headers={"Origin": "https://evil.example"})
    large = alice.post("/log", content=b"x" * 70_000, headers=OWN)
    assert text_of(foreign).startswith(SAID[403])
    assert text_of(large).startswith(SAID[413])
    assert "Log hours" in foreign.text
    assert "Log hours" in large.text


def test_unknown_methods_get_an_error_page(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit().client.put("/my-year", headers=OWN)
    assert answer.status_code == 405
    assert {*answer.headers["allow"].split(", ")} == {"GET", "HEAD"}
    assert text_of(answer).startswith(SAID[405])


def test_trace_is_not_supported(sqlite_web: WebClient) -> None:
    for path in ("/", "/my-year", "/api/v1/entries"):
        answer = sqlite_web.visit().client.request("TRACE", path, headers={"X-Secret": "s3cret"})
        assert answer.status_code == 405
        assert "s3cret" not in answer.text


def test_error_pages_keep_the_menu(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(ALICE).get("/nowhere")
    assert "Log hours" in page.text
    assert "Signed in as" in page.text
    assert "Log hours" not in sqlite_web.visit().get("/nowhere").text


def test_failed_pages_keep_the_menu(failing: WebClient) -> None:
    assert "Signed in as" in client(failing, ALICE).get("/fail/500").text


def test_errors_of_json_are_problem_documents(sqlite_web: WebClient) -> None:
    api = sqlite_web.visit().client
    answers = [api.get("/api/nowhere"), api.put("/api/nowhere", headers=OWN)]
    for answer in (*answers, api.get("/registry/NOWHERE.json")):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code == 404


def test_head_answers_like_get_without_a_body(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE).client
    addresses = {path.replace("{", "").replace("}", "") for method, path in routes(sqlite_web)}
    assert len(addresses) > 15
    for path in addresses:
        got, told = alice.get(path), alice.head(path)
        assert told.status_code == got.status_code
        assert told.headers.get("location") == got.headers.get("location")
        assert told.headers.get("content-type") == got.headers.get("content-type")
        assert told.content == b""
