"""A renewal is submitted from My year and accepted, with a keyboard alone and without a script."""

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.cast import BOOKS, NOW
from tests.support.submitting import FAY, add_endorsee
from tracker.db.engine import writing
from tracker.services.evaluation import evaluate_people

pytestmark = pytest.mark.browser


def test_a_renewal_is_signed_submitted_and_accepted(
    keys: Callable[[str, str], Keys], server: LiveServer
) -> None:
    with writing(server.cast.engine) as session:
        add_endorsee(session, server.cast, FAY, "Fay Lani")
        evaluate_people(session, BOOKS, {server.cast.people[FAY]}, NOW)
    fay = keys(FAY, "/my-year")
    fay.follow("Submit your renewal")
    fay.see_heading("Submit your renewal")
    fay.press("Submit")
    fay.see_problem("Type your name to sign")
    fay.tick(re.compile("I follow the Code of Ethics"))
    fay.tick(re.compile("I completed the training and RSC hours"))
    fay.type("Type your name to sign", "Fay Lani")
    fay.press("Submit")
    fay.see("You are renewed through December 31")
    fay.page.go_back()
    fay.page.reload()
    assert [row["state"] for row in server.cast.rows("submission")] == ["accepted"]
