"""A form that is sent when the session is over: nothing is saved, and nothing typed is lost."""

import html
import re

from httpx2 import Response

from tests.support.cast import ALICE, BASE_URL
from tests.web.client import TRAINING, Visitor, WebClient, text_of
from tests.web.signing import ask

HOSTILE = "\"><script>alert(1)</script>\r\n'&amp; Zoë"


def kept(page: Response) -> dict[str, str]:
    """The fields that a page keeps, as a browser would send them again."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def sign_in(web: WebClient, visitor: Visitor) -> None:
    _, code = ask(web, visitor)
    visitor.post("/sign-in/code", {"code": code})


def test_typed_text_is_saved_after_signing_in(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    key = re.search(r'name="form_key" value="([0-9a-f]{32})"', alice.get("/log").text)
    assert key is not None
    sqlite_web.pass_time(days=31)
    typed = {**TRAINING, "title": HOSTILE, "form_key": key[1]}
    page = alice.post("/log?again=1", typed)
    assert page.status_code == 403
    assert "Nothing is saved yet, but everything you typed is kept" in text_of(page)
    assert 'action="/log?again=1"' in page.text
    assert "<script>" not in page.text
    assert kept(page) == typed
    # Too early: the same page once more.
    assert kept(alice.post("/log", kept(page))) == typed
    assert sqlite_web.cast.rows("entry", form_key=key[1]) == []
    sign_in(sqlite_web, alice)
    assert alice.post("/log", kept(page)).status_code == 303
    assert alice.post("/log", kept(page)).status_code == 303
    assert len(sqlite_web.cast.rows("entry", form_key=key[1])) == 1


def test_files_must_be_added_again(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit().client.post(
        "/log",
        data=TRAINING,
        files={"files": ("proof.pdf", b"%PDF-1.7", "application/pdf")},
        headers={"Origin": BASE_URL},
    )
    assert kept(answer) == TRAINING
    assert "Files can't be kept. Please add them again afterward." in text_of(answer)


def test_an_empty_form_leads_back_to_its_page(sqlite_web: WebClient) -> None:
    visitor = sqlite_web.visit()
    for referer, back in (
        (f"{BASE_URL}/entries/1/delete", "/entries/1/delete"),
        (f"{BASE_URL}/log?activity=rsc", "/log?activity=rsc"),
        ("https://evil.example/log", "/"),
        ("", "/"),
    ):
        answer = visitor.client.post(
            "/entries/1/delete", headers={"Origin": BASE_URL, "Referer": referer}
        )
        assert answer.status_code == 303
        page = visitor.follow(answer)
        assert "You were signed out, so nothing was changed." in text_of(page)
        assert f'name="next" value="{back}"' in page.text


def test_a_body_that_is_no_form_leads_to_sign_in(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit().client.post(
        "/membership/new",
        content=b"--x\r\nnonsense",
        headers={"Origin": BASE_URL, "Content-Type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?")
