"""Reads posted forms: texts in memory, files in nameless ones on the disk."""

import re
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Path, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from wtforms import Form

from tracker.db.row_ids import LARGEST_ID
from tracker.plain_text import normalize_text
from tracker.refusal_text import format_refusal
from tracker.services.context import Refusal

# The detail of a refusal because of the number of parts.
TOO_MANY = "too many parts"
# The body as a whole has its limit in the middleware. The texts are in memory, and no form of ours
# has more in all; each file takes an open file.
_MAX_PARTS, _MAX_TEXT, _MAX_FILES = 200, 64 * 1024, 20
_FILES = "files"
# In characters, of a field's name and its text. No text is worked on before its length is known to
# be one that costs nothing. Services have shorter limits, for what is stored.
_LONGEST_NAME, _LONGEST_TEXT = 100, 5_000
# Many addresses, what was prefilled for all days of a course, and the text and people of a mailing.
_LONG_TEXTS = {"others": 15_000, "prefilled_course": 15_000, "text": 10_000, "to": 30_000}
_BROKEN, _TOO_LARGE = 400, 413


class _FormParser(MultiPartParser):
    """Starlette's parser with limits for all parts together, and a look at the end of the body.

    Files are on the disk from their first bytes. Those of other fields than ours are dropped as
    they come.
    """

    spool_max_size = 1
    parts = 0
    text_bytes = 0
    is_dropped = False
    is_complete = False

    def on_part_begin(self) -> None:
        self.parts += 1
        if self.parts > _MAX_PARTS:
            raise HTTPException(_TOO_LARGE, TOO_MANY)
        super().on_part_begin()

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._current_part.content_disposition)
        self.is_dropped = b"filename" in options and options.get(b"name") != _FILES.encode()
        if self.is_dropped:
            return
        if b"filename" in options and self._current_files >= _MAX_FILES:
            raise HTTPException(_TOO_LARGE, TOO_MANY)
        super().on_headers_finished()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self.is_dropped:
            return
        if self._current_part.file is None:
            self.text_bytes += end - start
        if self.text_bytes > _MAX_TEXT:
            raise HTTPException(_TOO_LARGE)
        super().on_part_data(data, start, end)

    def on_part_end(self) -> None:
        if not self.is_dropped:
            super().on_part_end()

    def on_end(self) -> None:
        self.is_complete = True


async def read_body(request: Request) -> FormData:
    """The form of a request, in the order in which it was sent; the caller closes it.

    Raises HTTPException: 400 for a broken or incomplete form, 413 for too many parts or files, or
    too long a text. Then no file of it is left on the disk.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = await (_read_parts if kind == "multipart/form-data" else Request.form)(request)
    for name, value in form.multi_items():
        longest = _LONG_TEXTS.get(name, _LONGEST_TEXT)
        is_too_long = isinstance(value, str) and len(value) > longest
        if is_too_long or len(name) > _LONGEST_NAME:
            await form.close()
            raise HTTPException(_TOO_LARGE)
    return form


async def _read_parts(request: Request) -> FormData:
    """A form in parts, without the files that browsers send for an empty field."""
    parser = _FormParser(request.headers, request.stream(), max_part_size=_MAX_TEXT)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(_BROKEN) from error
    if not parser.is_complete:
        await form.close()
        raise HTTPException(_BROKEN)
    items = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) and not value.filename and not value.size:
            await value.close()
        else:
            items.append((name, value))
    return FormData(items)


# Controls and half surrogates. None belongs in a line of text, and PostgreSQL refuses some of them.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def clean(text: str | None) -> str:
    """Typed text as one normalized line, without control characters or space around it."""
    if not text:
        return ""
    return normalize_text(text if text.isprintable() else _CONTROLS.sub(" ", text))


def clean_lines(text: str | None) -> str:
    """Typed text of several lines, each as of `clean`, with at most one blank line in a row."""
    lines: list[str] = []
    for line in map(clean, (text or "").splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip()


def keep_form_key(sent: str | None = None) -> str:
    """The key that lets a form that is sent twice be saved once; a new one if none was sent."""
    return sent if sent and re.fullmatch(r"[0-9a-f]{32}", sent) else uuid.uuid4().hex


def add_problem(field: Any, words: str) -> None:  # noqa: ANN401 - wtforms ships no types
    """Show a message beside a field."""
    field.errors = [*field.errors, words]


class OwnForm(Form):  # type: ignore[misc]  # wtforms ships no types
    """A form whose problems a page lists.

    ``refusal_fields`` names the fields that show why a service refuses an input, if they have
    other names than the input's. ``first_field`` shows refusals that are about no input.
    ``page_order`` names fields in the page's order; default: that in which they are declared.
    """

    refusal_fields: ClassVar[Mapping[str, str]] = {}
    first_field: ClassVar[str] = ""
    page_order: ClassVar[Sequence[str]] = ()

    def add_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Show at their fields why a service refused what was submitted."""
        for refusal in refusals:
            name = self.refusal_fields.get(refusal.field, refusal.field)
            add_problem(self[name or self.first_field], format_refusal(refusal.code, refusal.facts))

    def problems(self) -> list[tuple[str, str]]:
        """Each problem as (id of the field, message), in the order of the page."""
        errors = self.errors
        names = sorted(errors, key=[*self.page_order, *errors].index)
        return [(name, str(words)) for name in names for words in errors[name]]


@dataclass(frozen=True, slots=True)
class Posted:
    """A posted form: its texts, and the files that the person chose."""

    texts: FormData
    files: list[UploadFile]


@asynccontextmanager
async def open_posted(request: Request) -> AsyncIterator[Posted]:
    """The texts and files of a posted form, read once; the files are gone after the block."""
    if not hasattr(request.state, "form"):
        request.state.form = await read_body(request)
    form: FormData = request.state.form
    texts: list[tuple[str, str | UploadFile]] = []
    files = []
    for name, value in form.multi_items():
        if isinstance(value, str):
            texts.append((name, value))
        else:
            files.append(value)
    try:
        yield Posted(FormData(texts), files)
    finally:
        await form.close()


async def typed(request: Request) -> FormData:
    """The texts of a posted form; files are ignored."""
    async with open_posted(request) as posted:
        return posted.texts


Typed = Annotated[FormData, Depends(typed)]
RowId = Annotated[int, Path(ge=1, le=LARGEST_ID)]


async def parse_cycle_start(cycle_starts_on: str) -> date:
    """The first day of a cycle, from a page's address; 404 if it is written in any other way.

    ISO allows other spellings of a day: those would be further addresses of one page.
    """
    try:
        day = date.fromisoformat(cycle_starts_on)
    except ValueError:
        raise HTTPException(404) from None
    if day.isoformat() != cycle_starts_on:
        raise HTTPException(404)
    return day


CycleStart = Annotated[date, Depends(parse_cycle_start)]


async def typed_again(request: Request) -> tuple[list[tuple[str, str]], bool]:
    """The texts of a form, and whether files came with them, which can't be kept."""
    try:
        async with open_posted(request) as form:
            texts = [(name, str(text)) for name, text in form.texts.multi_items()]
            return texts, any(file.filename for file in form.files)
    except (HTTPException, RuntimeError, ClientDisconnect):
        # Not a form from our pages, or a body that was already read as something else.
        return [], False


def text_of(form: FormData, name: str) -> str:
    """One field as typed; empty if it was not sent."""
    return str(form.get(name, ""))


def number_of(form: FormData, name: str) -> int:
    """A row's id in one field, as a button sends it; 0, which no row has, for anything else."""
    return parse_id(text_of(form, name))


def parse_id(text: str) -> int:
    """A row's id; 0, which no row has, for anything else."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID))
    number = int(text) if is_number else 0
    return number if number <= LARGEST_ID else 0
