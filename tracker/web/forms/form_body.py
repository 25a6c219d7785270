"""Reads a posted form that may bring files: texts in memory, files in nameless ones on the disk.

Starlette's own reader takes as long for a dozen texts as all the rest of a request.
"""

from collections.abc import Awaitable
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from fastapi import Request
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

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
