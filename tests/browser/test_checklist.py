"""An applicant's checklist and the coordinator's applicants: no barriers, on a phone and a desk."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Street
from tests.browser.test_accessibility import TOO_SMALL, check
from tests.support.cast import CAROL, DAN
from tests.web.applying import IDA, NORA, OLIVE, VERA

pytestmark = pytest.mark.browser
DESK = {"width": 1280, "height": 900}
LIST = "/coordinator/applicants"
PAGES = [
    (NORA, "/application/{nora}"),
    (IDA, "/application/{ida}"),
    (OLIVE, "/application/{olive}"),
    (NORA, "/my-year"),
    (VERA, LIST),
    (VERA, f"{LIST}?missing=rsc"),
    (VERA, f"{LIST}?status=needs+review"),
    (DAN, LIST),
    (VERA, f"{LIST}/{{nora}}"),
    (VERA, f"{LIST}/{{ida}}/endorse"),
    (CAROL, f"{LIST}/{{olive}}/decline"),
]


def place(street: Street, path: str) -> str:
    numbers = {email.partition("@")[0]: n for email, n in street.cast.applications.items()}
    return path.format(**numbers)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize(("email", "path"), PAGES)
def test_a_page_has_no_barriers(
    scripted: Callable[[str], Page], street: Street, email: str, path: str, size: dict[str, int]
) -> None:
    page = scripted(email)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.goto(place(street, path))
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    check(page)


@pytest.mark.parametrize(("email", "path"), PAGES)
def test_everything_to_tap_is_large_enough(
    scripted: Callable[[str], Page], street: Street, email: str, path: str
) -> None:
    page = scripted(email)
    page.goto(place(street, path))
    small = [s for s in page.evaluate(TOO_SMALL) if s[0] not in {"Ida Frost", "Nora Pike"}]
    assert small == []


def test_an_applicant_sees_what_is_missing_and_logs_it(
    phone: Callable[[str], Page], street: Street
) -> None:
    page = phone(NORA)
    page.goto("/")
    page.get_by_role("link", name="Open the checklist").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Not ready: 2 of 8 done, reflective supervision next."
    )
    item = page.get_by_role("listitem").filter(has_text="Specialized in-service training")
    expect(item.get_by_role("progressbar", name="Training")).to_have_text("12.5 of 30 hours")
    item.get_by_text("Where the rule stands").click()
    expect(item.get_by_text("“In-Service Training”. How it is read")).to_be_visible()
    item.get_by_role("link", name="Log training").click()
    expect(page.get_by_label("Training", exact=True)).to_be_checked()
    page.get_by_role("button", name="Today").click()
    page.get_by_label("Hours", exact=True).fill("0.5")
    page.get_by_label("Title").fill("Attachment, a lecture")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Training 13 of 30 hours")).to_be_visible()
    assert len(street.cast.rows("entry", title="Attachment, a lecture")) == 1


def test_a_coordinator_endorses_whoever_is_ready(
    phone: Callable[[str], Page], street: Street
) -> None:
    page = phone(CAROL)
    page.goto("/coordinator")
    page.get_by_role("link", name="NCIMHA applicants").click()
    page.get_by_role("link", name="Olive Kay").click()
    page.get_by_role("link", name="Endorse Olive Kay").click()
    expect(page.get_by_label("Day")).to_have_value("22")
    page.get_by_label("Day").fill("31")
    page.get_by_role("button", name="Endorse from this day").click()
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("Day").fill("20")
    page.get_by_role("button", name="Endorse from this day").click()
    expect(page.get_by_text("Endorsed. The first renewal cycle is open.")).to_be_visible()
    assert len(street.cast.rows("endorsement", person_id=street.cast.people[OLIVE])) == 1
