"""What every page and every form of the site has in common."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx2 import Response

from tests.support.cast import fill
from tests.support.databases import copy_sqlite
from tests.web.all_pages import STOPS, furnish
from tests.web.applicants import fill_with_applicants
from tests.web.client import Visitor, WebClient, settle_all
from tests.web.html import Element, HtmlPage
from tests.web.test_hostile_text import WITHOUT_TEXT, matching
from tests.web.test_scoping import routes

Looked = tuple[Visitor, str, HtmlPage]
TYPES = {"text", "email", "hidden", "radio", "checkbox", "file"}
KEYPADS = {"day": "numeric", "month": "text", "year": "numeric", "hours": "text"}
FIELDS = ("input", "textarea", "select")
# Whatever is written there is right.
NEVER_WRONG = {
    "/coordinator/audits/{draw_id}/discard",
    "/sessions/asked/{member_id}",
    "/sign-out",
    "/coordinator/people",
    "/coordinator/filters",
    "/coordinator/filters/{filter_id}",
    "/coordinator/people/{endorsement_id}/{cycle_starts_on}",
    "/coordinator/applicants/{application_id}/send-back",
    "/coordinator/hand-over",
    "/coordinator/mail/new",
    "/coordinator/providers/names/decline",
    "/profile/rsc-provider",
    "/coordinator/person/{person_id}/remove/{kind}/{row_id}",
    "/coordinator/person/{person_id}/remove-lapsed/{endorsement_id}",
    "/coordinator/person/{person_id}/merge/{other_id}",
    "/coordinator/person/{person_id}/entries/{entry_id}",
    "/coordinator/person/{person_id}/unlist/{association}",
    "/coordinator/person/{person_id}/allow-listing/{association}",
    "/coordinator/renewals/{submission_id}",
    "/coordinator/fees/payments/{payment_id}",
    "/coordinator/audits/cases/{case_id}",
    "/audits/{case_id}",
    "/audits/{case_id}/documents",
    "/questions/{question_id}",
}


@pytest.fixture(scope="module")
def applicant_web(
    migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebClient]:
    """One house for all of them, in which much has happened."""
    url = copy_sqlite(migrated_sqlite, tmp_path_factory.mktemp("forms"))
    cast = fill_with_applicants(fill(url))
    yield WebClient(cast)
    settle_all()
    cast.engine.dispose()


@pytest.fixture(scope="module")
def pages(applicant_web: WebClient) -> list[Looked]:
    """Each page with who looks at it and where."""
    ids = furnish(applicant_web.cast)
    visitors = {stop.email: applicant_web.visit(stop.email) for stop in STOPS}
    found = []
    for stop in STOPS:
        path, visitor = stop.path.format(**ids), visitors[stop.email]
        found.append((visitor, path, HtmlPage(visitor.get(path).text)))
    return found


def fields_of(sheet: HtmlPage, form: Element) -> list[Element]:
    return [one for one in sheet.all(*FIELDS) if form in one.inside and one.get("type") != "hidden"]


def test_every_field_has_a_label_and_the_right_keypad(pages: list[Looked]) -> None:
    wrong = []
    for _, path, sheet in pages:
        labelled = {label.get("for") for label in sheet.all("label")}
        for one in sheet.all(*FIELDS):
            kind = one.get("type") if one.tag == "input" else "text"
            wrapped = any(outer.tag == "label" for outer in one.inside)
            if kind not in TYPES or not (kind == "hidden" or one.get("id") in labelled or wrapped):
                wrong.append((path, one.attributes))
            keypad = KEYPADS.get(re.split("[-_]", one.get("name"))[-1])
            if kind == "text" and keypad and (one.get("inputmode") or "text") != keypad:
                wrong.append((path, one.attributes))
    assert wrong == []


def test_dates_have_three_fields_and_offer_today(pages: list[Looked]) -> None:
    for _, path, sheet in pages:
        for form in sheet.all("form"):
            names = {one.get("name") for one in fields_of(sheet, form)}
            prefixes = {name[:-3] for name in names if re.fullmatch(r"(\w+_)?day", name)}
            for prefix in prefixes:
                assert {f"{prefix}month", f"{prefix}year"} <= names, path
            # What has been, or begins now: no day to come, and none that is filled in already.
            is_past = "is_current" in names or "decide" in form.get("class")
            is_past = is_past or form.get("method") == "get"
            if "hours" in names and not path.startswith("/coordinator/"):
                days = [one.get("value") for one in sheet.all("input", name_="when")]
                assert days[:3] == ["today", "yesterday", "other"], path
            elif "starts_day" in names and not is_past:
                boxes = sheet.all("input", name_=f"{prefix}today")
                is_new = not re.fullmatch(r"/membership/\d+|.*/change/\w+/\d+", path)
                assert len(boxes) == ("starts" in prefix and is_new), path


def test_progress_bars_have_text(pages: list[Looked]) -> None:
    bars = 0
    for _, path, sheet in pages:
        for bar in sheet.all("progress"):
            rows = [one for one in bar.inside if one.tag == "li"]
            assert not rows or rows[-1].text.count(bar.text) == 2, path
            assert bar.text, path
            assert bar.get("aria-label"), path
            bars += 1
    assert bars


def test_empty_lists_offer_one_action(pages: list[Looked]) -> None:
    empty = 0
    for _, path, sheet in pages:
        for one in sheet.all(class_="empty"):
            acts = [act for act in sheet.all("a", "button") if one in act.inside]
            assert len(acts) == 1, (path, one.text)
            empty += 1
    assert empty


def send_nonsense(visitor: Visitor, sheet: HtmlPage, form: Element) -> Response:
    hidden = [one for one in sheet.all("input", type="hidden") if form in one.inside]
    sent = {one.get("name"): one.get("value") for one in hidden}
    typed = [one for one in fields_of(sheet, form) if is_typed(one)]
    return visitor.post(
        form.get("action"), sent | {one.get("name"): "?" for one in typed} | {"decision": "grant"}
    )


def is_typed(one: Element) -> bool:
    return one.tag == "textarea" or (one.tag == "input" and one.get("type") in {"text", "email"})


def test_every_form_reports_problems_alike(applicant_web: WebClient, pages: list[Looked]) -> None:
    posted = {path for method, path in routes(applicant_web) if method == "POST"}
    told: set[str] = set()
    buttons: set[str] = set()
    for visitor, path, sheet in pages:
        for form in sheet.all("form", method="post"):
            route = matching((form.get("action") or path).partition("?")[0], posted)
            typed = [one for one in fields_of(sheet, form) if is_typed(one)]
            if not typed:
                buttons.add(route)
            if not typed or route in told | NEVER_WRONG:
                continue
            answer = send_nonsense(visitor, sheet, form)
            assert (answer.status_code, list(problems_of(HtmlPage(answer.text)))) == (422, []), (
                route
            )
            told.add(route)
    assert told | buttons >= posted - WITHOUT_TEXT - NEVER_WRONG


def problems_of(sheet: HtmlPage) -> Iterator[str]:
    """What is wrong with how a page tells of problems."""
    [title] = sheet.all("title")
    if not title.text.startswith("Error: "):
        yield f"the title is {title.text}"
    [summary] = sheet.all("div", role="alert")
    if "autofocus" not in summary.attributes or summary.get("tabindex") != "-1":
        yield "the summary takes no focus"
    if len([one for one in sheet.elements if "autofocus" in one.attributes]) != 1:
        yield "something else takes the focus, too"
    [heading] = [one for one in sheet.all("h2") if summary in one.inside]
    if heading.text != "There is a problem":
        yield f"the heading is {heading.text}"
    links = [one for one in sheet.all("a") if summary in one.inside]
    if not links:
        yield "no problem is listed"
    for link in links:
        yield from _beside_the_field(sheet, link)
    for one in sheet.all(*FIELDS):
        kept = one.text if one.tag == "textarea" else one.get("value")
        if is_typed(one) and kept != "?":
            yield f"{one.get('name')} has lost what was typed"


def _beside_the_field(sheet: HtmlPage, link: Element) -> Iterator[str]:
    name = link.get("href").removeprefix("#")
    target = sheet.all(id=name)
    if len(target) != 1 or not (target[0].tag in FIELDS or "tabindex" in target[0].attributes):
        yield f"{name} takes no focus"
    said = [one.text for one in sheet.all("p", id=f"{name}-wrong")]
    if said != [f"Error: {link.text}"]:
        yield f"at {name} stands {said}, not {link.text}"
