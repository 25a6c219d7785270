"""A team grows, protects itself, and hands over, with a keyboard alone and no script."""

from collections.abc import Callable

import pyotp
import pytest

from tests.browser.conftest import LiveServer, sign_in
from tests.browser.keyboard import Keys
from tests.support.cast import CAROL, NOW

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_a_viewer_is_added_and_only_looks(keys: Open) -> None:
    carol = keys(CAROL, "/coordinator")
    carol.follow("Team")
    carol.follow("Add someone")
    carol.press("Add")
    carol.see_problem("Enter the name")
    carol.page.keyboard.type("Ruth Adler")
    carol.type("Email address", "ruth@example.org")
    carol.choose("Viewer: sees everything, changes nothing")
    carol.press("Add")
    carol.see("Added. They get an email with a link to the desk.")
    carol.follow("Hand over the desk")
    carol.type("Notes", "Paper files are in the gray cabinet.")
    carol.press("Save the notes")
    carol.see("The notes are saved.")
    ruth = keys("ruth@example.org", "/coordinator/hand-over")
    ruth.see("Paper files are in the gray cabinet.")
    ruth.see("Ask a coordinator to change something.")


def test_a_second_factor_is_set_up_and_asked_for(keys: Open, server: LiveServer) -> None:
    carol = keys(CAROL, "/coordinator/team")
    carol.follow("Your second factor")
    carol.press("Set it up")
    key = carol.page.locator("code").inner_text().replace(" ", "")
    carol.type("Code", "000000")
    carol.enter()
    carol.see_problem("This code isn")
    carol.page.keyboard.type(pyotp.TOTP(key).at(NOW))
    carol.enter()
    carol.see_heading("Keep your recovery codes")
    recovery = carol.page.locator("code").first.inner_text()
    carol.follow("Continue")
    sign_in(carol.page.context, server, CAROL)
    carol.page.goto("/coordinator/team")
    carol.see_heading("Enter your second factor")
    carol.type("Code", pyotp.TOTP(key).at(NOW))
    carol.enter()
    carol.see_problem("This code")
    carol.type("Code", recovery)
    carol.enter()
    carol.see_heading("Team")
