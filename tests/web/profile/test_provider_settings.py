"""What RSC providers let the public know: whether they take new supervisees, and their line."""

from tests.support.cast import ALICE, DANA, EVE
from tests.web.client import WebClient, problems, text_of

PATH = "/profile/rsc-provider"


def dana(web: WebClient) -> dict[str, object]:
    [row] = web.cast.rows("person", email=DANA)
    return row


def test_it_is_off_until_a_provider_says_so(web: WebClient) -> None:
    visitor = web.visit(DANA)
    assert "not taking any" in text_of(visitor.get("/profile"))
    saved = visitor.post(PATH, {"takes": "yes", "line": " Groups by video,\r\nin Spanish "})
    words = text_of(visitor.follow(saved))
    assert "Your RSC provider settings are saved." in words
    assert "You take new supervisees" in words
    assert dana(web)["provider_line"] == "Groups by video, in Spanish"
    since = dana(web)["takes_supervisees_since"]
    assert since == web.now
    web.pass_time(days=3)
    visitor.post(PATH, {"takes": "yes", "line": "Groups"})
    assert dana(web)["takes_supervisees_since"] == since
    visitor.post(PATH, {"line": "Groups"})
    assert (dana(web)["takes_supervisees_since"], dana(web)["provider_line"]) == (None, "Groups")
    assert len(web.cast.rows("audit_event", table_name="person")) == 3


def test_a_line_is_short_and_plain(sqlite_web: WebClient) -> None:
    visitor = sqlite_web.visit(DANA)
    for line, words in (
        ("x" * 201, "Use at most 200 characters"),
        ("write to me@example.org", "Use plain text without a link or an email address"),
        ("see www.example.org", "Use plain text without a link or an email address"),
    ):
        answer = visitor.post(PATH, {"takes": "yes", "line": line})
        assert answer.status_code == 422
        assert problems(answer) == [("line", words)]
        assert line in answer.text
        assert 'value="yes" checked' in answer.text
    assert visitor.post(PATH, {"line": "LCSW, M.Ed. <b>hi</b>"}).status_code == 303
    assert "&lt;b&gt;hi" in visitor.get("/profile").text
    assert dana(sqlite_web)["takes_supervisees_since"] is None


def test_only_providers_have_the_page(sqlite_web: WebClient) -> None:
    for email in (ALICE, EVE):
        visitor = sqlite_web.visit(email)
        assert "supervisees" not in text_of(visitor.get("/profile"))
        assert visitor.get(PATH).status_code == 404
        assert visitor.post(PATH, {"takes": "yes", "line": ""}).status_code == 404
