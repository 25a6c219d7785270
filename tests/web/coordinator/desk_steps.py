"""What a coordinator does with a form of the desk: fill in, continue, save, undo."""

from collections.abc import Mapping
from typing import Any

from httpx2 import Response

from tests.web.client import Visitor
from tests.web.crawl import Form, read_page


def find_form(response: Response, button: str) -> Form:
    """The form on a page that has a button of this name."""
    for form in read_page("", response).forms:
        if any(name == button for name, _ in form.buttons):
            return form
    raise AssertionError(response.text)


def preview(visitor: Visitor, path: str, typed: Mapping[str, Any]) -> Response:
    """Fill in the form at a path and continue; the preview."""
    answer = visitor.post(path, {"reason": "A phone call", **typed})
    assert answer.status_code == 200, answer.text
    return answer


def save(visitor: Visitor, previewed: Response) -> Response:
    """Press Save on a preview; the page after it."""
    form = find_form(previewed, "confirmed")
    answer = visitor.post(form.action, {**dict(form.sent), "confirmed": "yes"})
    assert answer.status_code == 303, answer.text
    return visitor.follow(answer)


def change(visitor: Visitor, path: str, typed: Mapping[str, Any]) -> Response:
    """Fill in, continue, and save; the page after it."""
    return save(visitor, preview(visitor, path, typed))


def undo(visitor: Visitor, saved: Response) -> Response:
    """Press Undo after saving; the page after it."""
    form = next(f for f in read_page("", saved).forms if f.action.endswith("/undo"))
    return visitor.follow(visitor.post(form.action))


def day(prefix: str, month: int, day_: int, year: int) -> dict[str, str]:
    """A day as typed into its three fields."""
    return {f"{prefix}_month": str(month), f"{prefix}_day": str(day_), f"{prefix}_year": str(year)}
