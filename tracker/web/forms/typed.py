"""What was typed into a form, for endpoints that are not asynchronous themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tracker.web.forms.form_body import read_body

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
