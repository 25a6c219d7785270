"""A certificate from My year to the public page, with a keyboard alone and without a script."""

from collections.abc import Callable

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.auditing import HAL, accept
from tests.support.cast import NOW
from tracker.db.engine import writing

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_a_certificate_is_downloaded_and_verified(keys: Open, server: LiveServer) -> None:
    with writing(server.cast.engine) as session:
        accept(session, server.cast, HAL, "Hal Keawe", NOW)
    hal = keys(HAL, "/my-year")
    hal.follow("Your certificate")
    for words, ending in (("Download the certificate", ".pdf"), ("digital badge", ".svg")):
        hal.walk_to(hal.page.get_by_role("link", name=words))
        assert hal.download(lambda: hal.page.keyboard.press("Enter")).endswith(ending)
    hal.follow("Public verification page")
    hal.see_heading("This certificate is valid")
    hal.see("Hal Keawe")
    number = hal.page.url.rpartition("/")[2]
    hal.follow("Verify another certificate")
    hal.type("Certificate number", "7F3H")
    hal.press("Verify")
    hal.see_problem("No certificate has this number")
    hal.type("Certificate number", number.lower().replace("-", ""))
    hal.press("Verify")
    hal.see_heading("This certificate is valid")
