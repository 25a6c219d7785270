"""A coordinator writes to those who miss something, with a keyboard alone and without a script."""

from collections.abc import Callable

import pytest

from tests.browser.keyboard import Keys
from tests.support.cast import CAROL

pytestmark = pytest.mark.browser


def test_a_mailing_is_written_seen_sent_and_stopped(keys: Callable[[str, str], Keys]) -> None:
    carol = keys(CAROL, "/coordinator/mail")
    carol.follow("Write an email")
    carol.see("All endorsees")
    carol.press("Your own text")
    carol.press("Send to 3 people")
    carol.see_problem("Enter a subject")
    carol.type("Subject", "Webinar")
    carol.type("Message", "Hello {name}, join us.")
    carol.type("Show it for", "osei")
    carol.enter()
    carol.see("bob@example.org")
    carol.press("Send to 3 people")
    carol.see("Sent to 3 people.")
    carol.press("Stop the 3 that have not left")
    carol.see("Stopped. What had not left will not be sent.")
