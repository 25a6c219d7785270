"""Reads a posted form that may bring files: texts in memory, files in nameless ones on the disk.

Starlette's own reader takes as long for a dozen texts as all the rest of a request.
"""

import re
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

from fastapi import Depends, Path, Request
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from wtforms import Form

# What a refusal says in its detail where it is the number of parts.
TOO_MANY = "too many parts"
_MULTIPART = "multipart/form-data"
# The body as a whole has its limit in `security`.
_MOST_PARTS, _LONGEST_TEXT = 200, 64 * 1024
# A file up to this size waits in memory.
_IN_MEMORY = 1024 * 1024
_BROKEN, _TOO_LARGE = 400, 413


async def read_body(request: Request) -> FormData:
    """The form of a request, in the order in which it was sent; whoever reads it closes it.

    Raises HTTPException: 400 where it is no form, 413 where it has too many parts, or a text
    that is too long. Then nothing of it is left on the disk.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != _MULTIPART:
        return await request.form()
    parts = _Parts()
    try:
        await _read(request, options.get("boundary", ""), parts)
    except BaseException:
        await FormData(parts.found).close()
        raise
    return FormData(parts.found)


async def _read(request: Request, boundary: str, parts: "_Parts") -> None:
    try:
        parser = PushMultipartParser(boundary, max_segment_count=_MOST_PARTS + 1)
        async for chunk in request.stream():
            for event in parser.parse(chunk):
                to_disk = parts.take(event)
                if to_disk is not None:
                    await to_disk
    except ParserLimitReached as error:
        raise HTTPException(_TOO_LARGE) from error
    except MultipartError as error:
        raise HTTPException(_BROKEN) from error


class _Parts:
    """The parts ``found`` so far, and the one that is being read."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str | UploadFile]] = []
        self._begun = 0
        self._name = ""
        self._text = b""
        # Of a file: its name, and once some of it has come, where it goes.
        self._filename: str | None = None
        self._file: UploadFile | None = None

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> Awaitable[None] | None:
        """The beginning of a part, some of its content, or its end (None).

        Gives back what has to be waited for: content of a file that goes to the disk.
        """
        if event is None:
            return self._end()
        if isinstance(event, MultipartSegment):
            self._begun += 1
            if self._begun > _MOST_PARTS:
                raise HTTPException(_TOO_LARGE, TOO_MANY)
            self._name, self._filename = event.name, event.filename
            self._text, self._file = b"", None
            return None
        if self._filename is not None:
            return self._open().write(bytes(event))
        self._text += event
        if len(self._text) > _LONGEST_TEXT:
            raise HTTPException(_TOO_LARGE)
        return None

    def _open(self) -> UploadFile:
        if self._file is None:
            # Closed with the form.
            content = cast("BinaryIO", SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
            self._file = UploadFile(content, size=0, filename=self._filename)
            self.found.append((self._name, self._file))
        return self._file

    def _end(self) -> Awaitable[None] | None:
        if self._filename is None:
            self.found.append((self._name, self._text.decode(errors="replace")))
            return None
        # Of a field that was left empty browsers send a file without a name or content.
        return self._open().seek(0) if self._file or self._filename else None


# Controls, line separators and half surrogates: nothing that a line of text holds, and
# PostgreSQL refuses some of them. What is not seen, or turns text round, is as little of a line.
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\ud800-\udfff"
    r"\N{ZERO WIDTH SPACE}\N{LEFT-TO-RIGHT EMBEDDING}-\N{RIGHT-TO-LEFT OVERRIDE}\N{WORD JOINER}"
    r"\N{LEFT-TO-RIGHT ISOLATE}-\N{POP DIRECTIONAL ISOLATE}\N{ZERO WIDTH NO-BREAK SPACE}]+"
)


def clean(text: str | None) -> str:
    """Typed text as one line: without control characters, or space around it."""
    if not text or text.isprintable():
        return (text or "").strip()
    return _CONTROLS.sub(" ", text).strip()


def new_form_key() -> str:
    """A key by which a form that is sent twice is saved once."""
    return uuid.uuid4().hex


def is_form_key(text: str | None) -> bool:
    """Whether a form's key is one of ours."""
    return re.fullmatch(r"[0-9a-f]{32}", text or "") is not None


def add_problem(field: Any, words: str) -> None:  # noqa: ANN401 - wtforms ships no types
    """Say what is wrong with a field."""
    field.errors = [*field.errors, words]


class OwnForm(Form):  # type: ignore[misc]  # wtforms ships no types
    """A form whose problems a page lists."""

    def problems(self) -> list[tuple[str, str]]:
        """Each problem as (id of the field, words), in the order of the page."""
        return [(name, str(words)) for name, errors in self.errors.items() for words in errors]


# Larger ids no database of ours has: such a page is absent, not an error of the database.
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Posted:
    """A form that may bring files: its texts, and the files that somebody chose."""

    texts: FormData
    files: list[UploadFile]


async def typed(request: Request) -> FormData:
    """The texts of a posted form; files are none of ours and are left out."""
    async with _sent(request) as form:
        return _texts(form)


@asynccontextmanager
async def posting(request: Request) -> AsyncIterator[Posted]:
    """The texts and files of a posted form; the files are gone once the block ends."""
    async with _sent(request) as form:
        files = [v for k, v in form.multi_items() if k == "files" and isinstance(v, UploadFile)]
        yield Posted(_texts(form), files)


async def posted(request: Request) -> AsyncIterator[Posted]:
    """The same, for whoever depends on it."""
    async with posting(request) as form:
        yield form


Typed = Annotated[FormData, Depends(typed)]
WithFiles = Annotated[Posted, Depends(posted)]
RowId = Annotated[int, Path(ge=1, le=_LARGEST_ID)]


async def typed_again(request: Request) -> tuple[list[tuple[str, str]], bool]:
    """The texts of a form, and whether files came with them, which cannot be kept."""
    try:
        async with _sent(request) as form:
            texts = [(name, text) for name, text in form.multi_items() if isinstance(text, str)]
            return texts, any(not isinstance(one, str) and one.filename for one in form.values())
    except (HTTPException, RuntimeError, ClientDisconnect):
        # No form that a page of ours has sent, or one whose body somebody has read as another.
        return [], False


def text_of(form: FormData, name: str) -> str:
    """One field as typed; empty where it is absent."""
    return str(form.get(name, ""))


@asynccontextmanager
async def _sent(request: Request) -> AsyncIterator[FormData]:
    """The form of a request, which is read once; its files are gone once the block ends."""
    if not hasattr(request.state, "form"):
        request.state.form = await read_body(request)
    form: FormData = request.state.form
    try:
        yield form
    finally:
        await form.close()


def _texts(form: FormData) -> FormData:
    if all(isinstance(value, str) for _, value in form.multi_items()):
        return form
    return FormData([(k, v) for k, v in form.multi_items() if isinstance(v, str)])


def number_of(form: FormData, name: str) -> int:
    """A row's id in one field, as a button sends it; 0, which no row has, for anything else."""
    text = text_of(form, name)
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_ID))
    return int(text) if is_number and int(text) <= _LARGEST_ID else 0
