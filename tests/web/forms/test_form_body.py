"""Forms that may bring files, read as they come."""

import asyncio
from collections.abc import Iterable

import pytest
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from tracker.web.forms.body import read_body

_KIND = "multipart/form-data; boundary=x"
Found = list[tuple[str, str | bytes]]


def _part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def _read(chunks: Iterable[bytes], kind: str = _KIND) -> Found:
    """What a form holds that comes in such chunks; files as their bytes."""
    waiting = [*chunks]

    async def receive() -> Message:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def read() -> Found:
        headers = [(b"content-type", kind.encode())]
        form = await read_body(Request({"type": "http", "headers": headers}, receive))
        found: Found = [
            (name, await value.read() if isinstance(value, UploadFile) else value)
            for name, value in form.multi_items()
        ]
        await form.close()
        return found

    return asyncio.run(read())


def _refusal(chunks: Iterable[bytes], kind: str = _KIND) -> int:
    with pytest.raises(HTTPException) as caught:
        _read(chunks, kind)
    return caught.value.status_code


def test_texts_and_files_come_in_the_order_in_which_they_were_sent() -> None:
    body = _part("a", "½ hour".encode()) + _part("files", b"%PDF", "p.pdf") + _part("a", b"")
    assert _read([body + b"--x--\r\n"]) == [("a", "½ hour"), ("files", b"%PDF"), ("a", "")]


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_however_it_is_cut_it_reads_the_same(size: int) -> None:
    body = _part("a", b"one") + _part("files", b"\r\n--" * 500, "f") + b"--x--\r\n"
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert _read(chunks) == [("a", "one"), ("files", b"\r\n--" * 500)]


def test_a_file_too_large_for_memory_is_whole_again() -> None:
    content = bytes(range(256)) * 10_000
    assert _read([_part("files", content, "f"), b"--x--"]) == [("files", content)]


def test_text_that_is_no_unicode_is_kept_as_far_as_it_can_be_read() -> None:
    assert _read([_part("a", b"caf\xe9"), b"--x--"]) == [("a", "café")]


def test_a_form_without_files_is_read_in_its_own_kind() -> None:
    kind = "application/x-www-form-urlencoded"
    assert _read([b"a=1&b=%C3%A9&a="], kind) == [("a", "1"), ("b", "é"), ("a", "")]


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", _part("a", b"cut"), b"--x\r\nno header\r\n\r\n1\r\n--x--"],
)
def test_what_is_broken_or_cut_off_is_refused_whole(body: bytes) -> None:
    assert _refusal([body]) == 400


def test_a_form_without_a_boundary_is_refused() -> None:
    assert _refusal([_part("a", b"1"), b"--x--"], "multipart/form-data") == 400


@pytest.mark.parametrize("kind", [_KIND, "application/x-www-form-urlencoded"])
def test_a_text_can_have_5000_characters(kind: str) -> None:
    def body(text: str) -> bytes:
        return _part("a", text.encode()) + b"--x--" if kind == _KIND else f"a={text}".encode()

    assert _read([body("t" * 5_000)], kind) == [("a", "t" * 5_000)]
    assert _refusal([body("t" * 5_001)], kind) == 413


def test_all_texts_together_have_a_limit() -> None:
    parts = [_part("a", b"t" * 5_000) for _ in range(14)]
    assert len(_read([*parts[:13], b"--x--"])) == 13
    assert _refusal([*parts, b"--x--"]) == 413


def test_the_name_of_a_field_has_a_limit() -> None:
    assert _refusal([_part("a" * 101, b"1"), b"--x--"]) == 413


def test_a_form_can_have_200_parts_and_no_more() -> None:
    parts = [_part("a", b"") for _ in range(200)]
    assert len(_read([*parts, b"--x--"])) == 200
    assert _refusal([*parts, _part("a", b""), b"--x--"]) == 413


def test_a_field_for_files_that_was_left_empty_brings_none() -> None:
    assert _read([_part("files", b"", "") + _part("a", b"1"), b"--x--"]) == [("a", "1")]


def test_a_file_is_one_without_a_name_or_without_content_too() -> None:
    body = _part("files", b"bytes", "") + _part("files", b"", "empty.pdf")
    assert _read([body, b"--x--"]) == [("files", b"bytes"), ("files", b"")]
