"""A visitor who opens every page that can be reached by links, and reads the forms on it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from httpx2 import Response

from tests.web.client import Visitor

_TYPED = {"text", "email", "search", "tel", "url", ""}
_MOST_PAGES = 300
# Pages that differ only in numbers, or in what a query asks for.
_MOST_OF_A_KIND = 6
# The desk's only script.
_SCRIPT = re.compile(r"/static/desk-[0-9a-f]{12}\.js").fullmatch
_ADDRESSES = {"href", "src", "action", "formaction"}
# `webcal` opens a calendar program on an address of ours.
SCHEMES = {"", "mailto", "http", "https", "webcal"}


def _is_mail(path: str) -> bool:
    return path.startswith("/coordinator/mail/")


@dataclass
class Form:
    """A form as it stands on a page: where it goes, and what it would send."""

    page: str
    action: str
    is_post: bool
    sent: list[tuple[str, str]] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Reader(HTMLParser):
    """Collects links, forms, and whatever could run."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.live: list[str] = []
        self._form: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.live += [f"<{tag} {name}>" for name in found if name.startswith("on")]
        # A mail, or the public registry, is shown in a frame in which nothing runs.
        frame = (found.get("sandbox"), found.get("src", "")) if tag == "iframe" else (None, "")
        is_mail = frame[0] == "" and _is_mail(frame[1])
        is_registry = frame[0] == "allow-forms" and frame[1].startswith("/registry/")
        is_ours = tag == "script" and list(found) == ["src", "defer"] and _SCRIPT(found["src"])
        is_safe = is_mail or is_registry or is_ours
        if tag in {"script", "iframe", "object", "embed", "base"} and not is_safe:
            self.live.append(f"<{tag}>")
        for name in _ADDRESSES & found.keys():
            if urlsplit(found[name].strip()).scheme not in SCHEMES:
                self.live.append(f"<{tag} {name}={found[name]!r}>")
        if tag == "a" and "href" in found:
            self.links.append(urljoin(self.page, found["href"]))
        if tag == "form":
            action = urljoin(self.page, found.get("action") or self.page)
            self._form = Form(self.page, action, found.get("method", "").lower() == "post")
            self.forms.append(self._form)
        elif self._form is not None:
            self._read_field(self._form, tag, found)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""

    def _read_field(self, form: Form, tag: str, found: dict[str, str]) -> None:
        name, kind = found.get("name", ""), found.get("type", "").lower()
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            form.choices.setdefault(self._select, []).append(found.get("value", ""))
        elif tag == "textarea" or (tag == "input" and kind in _TYPED):
            form.typed.append(name)
        elif tag == "input" and kind in {"radio", "checkbox"}:
            form.choices.setdefault(name, []).append(found.get("value", "on"))
        elif tag == "input" and kind == "file":
            form.files.append(name)
        elif tag == "button" and name:
            form.buttons.append((name, found.get("value", "")))
        elif tag == "input" and name:
            form.sent.append((name, found.get("value", "")))


def read_page(path: str, answer: Response) -> Reader:
    """Links, forms, and whatever on the page could run."""
    reader = Reader(path)
    if answer.headers.get("content-type", "").startswith("text/html"):
        reader.feed(answer.text)
        reader.close()
    return reader


def walk(visitor: Visitor, *start: str) -> Iterator[tuple[str, Response, Reader]]:
    """The pages that links lead to from ``start`` (else the first page): a few of each kind."""
    waiting = [*(start or ("/",))]
    seen = set(waiting)
    kinds: Counter[str] = Counter()
    while waiting and len(seen) < _MOST_PAGES:
        path = waiting.pop(0)
        answer = visitor.get(path)
        page = read_page(path, answer)
        yield path, answer, page
        links = [*page.links, answer.headers.get("location", "")]
        for link in links:
            parts = urlsplit(urljoin(path, link))
            ours = not parts.scheme and not parts.netloc
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            kind = re.sub(r"\d+", "", parts.path)
            is_new = target not in seen and kinds[kind] < _MOST_OF_A_KIND
            if ours and target.startswith("/") and is_new:
                kinds[kind] += 1
                seen.add(target)
                waiting.append(target)
