"""A browser is named by what it says of itself, in words of ours alone."""

import pytest

from tracker.web.browser_names import format_browser

APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("(Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
        ("(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"(iPhone; CPU iPhone OS 18_5) {APPLE} FxiOS/140.0 Safari/605.1.15", "Firefox on iPhone"),
        (
            f"(iPhone; CPU iPhone OS 18_5 like Mac OS X) {APPLE} Version/18.5 Mobile Safari/604.1",
            "Safari on iPhone",
        ),
        (f"(iPad; CPU OS 18_5 like Mac OS X) {APPLE} CriOS/137.0 Safari/604.1", "Chrome on iPad"),
        (f"(Macintosh; Mac OS X 10_15_7) {APPLE} Version/18.5 Safari/605.1.15", "Safari on Mac"),
        (f"(Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/137.0", "Edge on Windows"),
        (f"(Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36", "Chrome on Windows"),
        (
            f"(Linux; Android 10; K) SamsungBrowser/28.0 {CHROME} Mobile Safari/537.36",
            "Samsung Internet on Android",
        ),
        (f"(X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36", "Chrome on ChromeOS"),
        ("(Windows) something new", "A browser on Windows"),
        ("curl/8", None),
        ("", None),
        ("<script>alert(1)</script>\x00" * 100, None),
    ],
)
def test_browsers_are_named_by_their_user_agent(user_agent: str, words: str | None) -> None:
    assert format_browser(f"Mozilla/5.0 {user_agent}") == words
