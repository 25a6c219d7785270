"""After signing in one is sent to a page of ours, whatever the link says."""

from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.web.dependencies import safe_path

OURS = "https://hours.example.org"
HOSTILE = [
    "https://evil.example",
    "HTTPS:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "/%2F%2Fevil.example",
    "/%5cevil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "//evil.example@hours.example.org",
    "//hours.example.org@evil.example",
    "@evil.example",
    ".evil.example",
    "evil.example",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "/log\r\nSet-Cookie: session=mine",
    "/log%0d%0aSet-Cookie: session=mine",
    "/\N{FULLWIDTH SOLIDUS}evil.example",
    "/%ef%bc%8fevil.example",
    "/\N{FULLWIDTH REVERSE SOLIDUS}evil.example",
    "/%ef%bc%bcevil.example",
    "//[evil",
    "/log//evil.example",
    "/sign-in?next=//evil.example",
    "/" + "a" * 2000,
    "",
]
GOOD = [
    "/",
    "/my-year",
    "/log?activity=training&topic=DEIA",
    "/log?activity=rsc&provider=12&date=2026-11-21",
    "/coordinator/applicants?association=CT-AIMH",
    "/coordinator?search=Zo%C3%AB%20M",
    "/application/7/references",
    "/entries/3/edit#hours",
]


@pytest.mark.parametrize("path", HOSTILE, ids=repr)
def test_hostile_paths_lead_to_the_first_page(path: str) -> None:
    assert safe_path(path) == "/"


@pytest.mark.parametrize("path", GOOD)
def test_our_own_paths_are_kept(path: str) -> None:
    assert safe_path(path) == path


@given(st.text(alphabet="/\\.:@%259f?#\t\n\r aev\N{FULLWIDTH SOLIDUS}", max_size=12))
def test_no_path_leads_to_another_host(path: str) -> None:
    safe = safe_path(path)
    for reading in (safe, unquote(safe), safe.replace("\\", "/"), quote(safe, safe="/?&=#%@:")):
        assert urlsplit(urljoin(f"{OURS}/sign-in/code", reading)).netloc == "hours.example.org"
