"""axe-core finds nothing on any page, empty, full and with problems; nothing scrolls sideways."""

from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect
from sqlmodel import select

from tests.browser.barriers import SCHEMES, Scheme, check, press
from tests.browser.conftest import LiveServer
from tests.browser.sizes import PHONE
from tests.support.cast import ALICE, BOB, DANA, ERIN
from tests.support.files import PDF
from tests.web.all_pages import STOPS, Stop, furnish
from tests.web.known_routes import KNOWN
from tests.web.test_hostile_text import LONG, matching
from tracker.db.engine import writing
from tracker.db.people import Person

pytestmark = pytest.mark.browser
# The beginning of each element that reaches beyond the window.
STICKS_OUT = """[...document.querySelectorAll('main *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth)
    .map(e => e.outerHTML.slice(0, 80))"""
Phone = Callable[[str], Page]
# What is no page: files, and what machines ask for.
FILES = (".ics", ".svg", ".csv", ".xlsx", ".pdf", ".zip", ".json")
# Mail in a frame, as it is sent.
MAILS = {"/coordinator/mail/{mailing_id}/people/{recipient_id}/html"}
# What other programs read to check a badge.
BADGES = {
    "/badges/keys/{key_id}",
    "/badges/issuers/{association}",
    "/badges/issuers/{association}/status/{number}",
}
NO_PAGES = {
    *MAILS,
    *BADGES,
    # They lead to the provider, and from there back.
    *("/sign-in/provider", "/sign-in/provider/return"),
    *("/healthz", "/readyz", "/metrics", "/static/{name}", "/evidence/{file_id}"),
}


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


@pytest.mark.parametrize(
    ("stop", "schemes"),
    [
        # Every other page in the light, in the short form.
        pytest.param(stop, SCHEMES if LONG else SCHEMES[number % 2 :][:1], id=" ".join(stop))
        for number, stop in enumerate(STOPS)
    ],
)
def test_a_page_has_no_barriers(
    reader: Phone, still_street: LiveServer, stop: Stop, schemes: tuple[Scheme, ...]
) -> None:
    page = reader(stop.email)
    page.goto(stop.path.format(**still_street.ids))
    if stop.press:
        press(page, stop.press)
    check(page, schemes)


def test_every_page_route_is_included(still_street: LiveServer) -> None:
    shown = {
        path
        for method, path in KNOWN
        if method == "GET" and path not in NO_PAGES and not path.endswith(FILES)
    }
    paths = {stop.path.format(**still_street.ids).partition("?")[0] for stop in STOPS}
    assert shown - {matching(path, shown) for path in paths} == set()


def test_every_state_of_the_log_form_has_no_barriers(scripted: Phone) -> None:
    page = scripted(ALICE)
    page.goto("/log?activity=rsc&date=2026-11-14")
    page.get_by_label("1", exact=True).check()
    page.get_by_label("Or type part of the provider's name").fill("Kim Osei")
    page.get_by_label("Supporting documents").set_input_files(
        [file("x" * 90 + ".pdf", PDF), file("page.png", b"<html>")]
    )
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_label("Someone else: Kim Osei")).to_be_visible()
    check(page)
    page.get_by_label("Someone else: Kim Osei").check()
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_role("heading", name="Is this the same session?")).to_be_visible()
    check(page)
    page.context.clear_cookies()
    page.get_by_role("button", name="Save anyway").first.click()
    expect(page.get_by_role("heading", name="You were signed out")).to_be_visible()
    check(page)


def test_sessions_and_requests_have_no_barriers(scripted: Phone, server: LiveServer) -> None:
    ids = furnish(server.cast)
    dana, bob = scripted(DANA), scripted(BOB)
    bob.goto(f"/sessions/asked/{ids['disputed']}")
    bob.get_by_role("button", name="Confirm it after all").click()
    expect(bob.get_by_role("heading", level=1)).to_contain_text("1.5 hours")
    check(bob)
    bob.goto("/requests")
    bob.get_by_role("button", name="Withdraw").click()
    expect(bob.get_by_text("Withdrawn").first).to_be_visible()
    check(bob)
    bob.goto(f"/membership/{ids['term']}/remove")
    bob.get_by_role("button", name="Remove").click()
    expect(bob.get_by_role("status")).to_contain_text("The term is removed.")
    check(bob)
    bob.reload()
    expect(bob.get_by_role("status")).not_to_contain_text("The term is removed.")
    bob.goto("/profile/second-address")
    bob.get_by_label("Your second address").fill("bob@home.example")
    bob.get_by_role("button", name="Send the code").click()
    expect(bob.get_by_role("status")).to_contain_text("We sent an email to that address")
    check(bob)
    dana.goto(f"/sessions/{ids['session']}")
    dana.get_by_text("Withdraw this session").click()
    dana.get_by_role("button", name="Withdraw").click()
    expect(dana.get_by_text("Withdrawn").first).to_be_visible()
    check(dana)


def test_declined_references_and_limits_have_no_barriers(
    scripted: Phone, server: LiveServer
) -> None:
    ids = furnish(server.cast)
    page = scripted("")
    page.goto(f"/reference/{ids['reference']}")
    page.get_by_text("Can\u2019t give this reference?").click()
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("You declined")
    check(page)
    for _ in range(6):
        page.goto("/sign-in")
        page.get_by_label("Email address").fill("flood@example.org")
        with page.expect_navigation():
            page.get_by_role("button", name="Email me a code").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many attempts.")
    check(page)


def test_very_long_words_do_not_scroll_sideways(scripted: Phone, server: LiveServer) -> None:
    page = scripted(ERIN)
    page.goto("/log?activity=training&date=2026-11-01")
    page.get_by_label("1", exact=True).check()
    page.get_by_label("Title").fill("Eltern" * 45)
    with page.expect_navigation():
        page.get_by_role("button", name="Save").last.click()
    check(page)
    page.goto("/my-year")
    check(page)
    alice = scripted(ALICE)
    alice.goto(f"/application/{furnish(server.cast)['named']}/references")
    alice.get_by_label("Their name").fill("Eltern" * 30)
    alice.get_by_label("Their email address").fill(f"{'pat' * 40}@example.org")
    alice.get_by_text("Current program supervisor").last.click()
    alice.get_by_role("button", name="Ask for a reference").click()
    expect(alice.get_by_role("status")).to_contain_text("We have sent them an email")
    check(alice)


def test_long_names_make_no_page_scroll_sideways(scripted: Phone, server: LiveServer) -> None:
    ids = furnish(server.cast)
    with writing(server.cast.engine) as session:
        for person in session.exec(select(Person)):
            person.name = f"{person.name.partition(' ')[0]} {'Donaudampfschifffahrt' * 4}"
    # Each page once, whatever is asked for on it.
    stops = {stop.path.partition("?")[0]: stop for stop in STOPS if not stop.press}
    phones = {email: scripted(email) for email in {stop.email for stop in stops.values()}}
    wide, shown = dict[str, list[str]](), 0
    for stop in stops.values():
        page = phones[stop.email]
        page.goto(stop.path.format(**ids))
        shown += "Donaudampf" in page.content()
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            wide[stop.path] = page.evaluate(STICKS_OUT)
    assert wide == {}
    assert shown > len(stops) // 3
