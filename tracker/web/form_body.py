"""Reads a posted form that may bring files: texts in memory, files in nameless ones on the disk.

Starlette's own reader takes as long for a dozen texts as all the rest of a request.
"""

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
        parser = PushMultipartParser(boundary, max_segment_count=_MOST_PARTS)
        async for chunk in request.stream():
            for event in parser.parse(chunk):
                if parts.file is not None and type(event) is bytes:
                    # It may have to wait for the disk.
                    await parts.file.write(event)
                else:
                    await parts.take(event)
    except ParserLimitReached as error:
        raise HTTPException(_TOO_LARGE) from error
    except MultipartError as error:
        raise HTTPException(_BROKEN) from error


class _Parts:
    """The parts ``found`` so far, and the one that is being read."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str | UploadFile]] = []
        self.file: UploadFile | None = None
        self._name = ""
        self._text = b""

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """The beginning of a part, some of its text, or its end (None)."""
        if event is None:
            await self._end()
        elif isinstance(event, MultipartSegment):
            self._begin(event)
        else:
            self._text += event
            if len(self._text) > _LONGEST_TEXT:
                raise HTTPException(_TOO_LARGE)

    def _begin(self, part: MultipartSegment) -> None:
        self._name, self._text = part.name, b""
        if part.filename is not None:
            # Closed with the form.
            content = cast("BinaryIO", SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
            self.file = UploadFile(content, size=0, filename=part.filename)
            self.found.append((part.name, self.file))

    async def _end(self) -> None:
        if self.file is None:
            self.found.append((self._name, self._text.decode(errors="replace")))
        else:
            await self.file.seek(0)
            self.file = None
