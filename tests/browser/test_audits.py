"""An audit from the draw to the decision, with a keyboard alone and without a script."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import LiveServer
from tests.browser.keyboard import Keys
from tests.support.auditing import HAL, accept
from tests.support.cast import KAI, NOW
from tests.support.files import PDF
from tracker.db.engine import writing

pytestmark = pytest.mark.browser
Open = Callable[[str, str], Keys]


def test_a_renewal_is_drawn_shown_not_passed_and_appealed(
    keys: Open, server: LiveServer, tmp_path: Path
) -> None:
    with writing(server.cast.engine) as session:
        accept(session, server.cast, HAL, "Hal Keawe", NOW)
    certificate = tmp_path / "certificate.pdf"
    certificate.write_bytes(PDF)
    kai, hal = keys(KAI, "/coordinator"), keys(HAL, "/my-year")
    draw_and_ask(kai)
    hal.page.reload()
    send_document(hal, certificate)
    refuse_to_pass(kai)
    hal.page.reload()
    hal.see_heading("Your renewal did not pass the audit")
    hal.type("Why do you disagree?", "It is my name before I married")
    hal.press("Appeal")
    hal.see_heading("Your appeal is sent")
    kai.page.reload()
    kai.see("It is my name before I married")
    kai.choose("Supported")
    kai.type("Training: hours that documents support beside the sessions", "25")
    kai.type("Reflective supervision: hours that documents support beside the sessions", "36")
    kai.choose(kai.page.get_by_label("Passed What is supported"))
    kai.press("Continue")
    kai.press("Save")
    hal.page.reload()
    hal.see_heading("Your renewal passed the audit")


def draw_and_ask(kai: Keys) -> None:
    kai.follow("Audits")
    kai.press("Fix list and seed")
    kai.see_problem("Enter a percentage from 1 to 100")
    kai.page.keyboard.type("10")
    kai.type("Seed", "4 2 6 1 5")
    kai.press("Fix list and seed")
    kai.see("List and seed are fixed, and published. Now draw.")
    kai.press("Draw now")
    kai.see("Hal Keawe")
    kai.type_day("12 dec 2026", legend="Last day to send them")
    kai.press("Continue")
    kai.see("To hal@example.org")
    kai.press("Save")


def send_document(hal: Keys, certificate: Path) -> None:
    hal.follow("Send documents")
    hal.see_heading("Send documents for your renewal")
    hal.press("Send")
    hal.see_problem("Add a document, or write a note")
    hal.choose("Infancy week")
    hal.upload("Documents", certificate)
    hal.press("Upload")
    hal.see("certificate.pdf")
    hal.press("Send")
    hal.see_heading("Your documents are sent")


def refuse_to_pass(kai: Keys) -> None:
    kai.follow("Today")
    kai.follow("Review audit")
    kai.choose("Not supported")
    kai.choose(kai.page.get_by_label("Not passed"))
    kai.type("Reason", "It shows another name")
    kai.press("Continue")
    kai.see_problem("Write why “Infancy week” of March 2, 2026 is not supported")
    kai.page.keyboard.type("Another name")
    kai.press("Continue")
    kai.see("Open, ")
    kai.press("Save")
    kai.see("not passed")
