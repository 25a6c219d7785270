"""What an uploaded file is, by its content."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.files import PDF, ZIP_END, box, heic, jpeg, png
from tracker.services.evidence_storage import media_type_of

HTML = b"<!doctype html><html><script>alert(1)</script></html>"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PDF, "application/pdf"),
        (PDF + b"\r\n\0\0", "application/pdf"),
        (PDF + b"\r\nSent by a mail server\r\n", "application/pdf"),
        (b"\xef\xbb\xbf" + PDF, "application/pdf"),
        (PDF.replace(b"endobj", b" " * 3000 + b"(<html> is quoted)"), "application/pdf"),
        (PDF + b" " * 2047, "application/pdf"),
        (PDF + b" " * 3000 + PDF[9:], "application/pdf"),
        (PDF[:9].ljust(1024) + HTML + PDF[9:], "application/pdf"),
        (PDF.replace(b"%%EOF", b"%%EOF".rjust(2041)), "application/pdf"),
        (png(), "image/png"),
        (png((b"tEXt", b"Software\0somebody's")), "image/png"),
        (jpeg(), "image/jpeg"),
        (jpeg() + b"what a phone appends", "image/jpeg"),
        (heic(), "image/heic"),
        (heic(b"mif1", b"mif1", b"heic"), "image/heic"),
        (heic(b"heic", b"mif1"), "image/heic"),
        (heic() + box(b"free", b""), "image/heic"),
        (heic() + b"\0\0\0\0mdat to the end", "image/heic"),
        (heic() + b"\0\0\0\1mdat\0\0\0\0\0\0\1\x10".ljust(272, b"x"), "image/heic"),
    ],
)
def test_each_kind_is_known_by_its_content(content: bytes, media_type: str) -> None:
    assert media_type_of(content) == media_type


@pytest.mark.parametrize(
    "content",
    [
        b"",
        HTML,
        b"%PDF-1.4\n" + HTML,
        PDF[:-8],
        PDF[:-6],
        PDF + b" " * 2048,
        PDF[:9].ljust(1023 - len("<html")) + b"<html>" + PDF[9:],
        PDF.replace(b"%%EOF", b"%%EOF".rjust(2042)),
        b"x" + PDF,
        PDF + HTML,
        PDF + ZIP_END,
        PDF.replace(b"startxref", b"startzref"),
        PDF[:9] + HTML + PDF[9:],
        png()[:-1],
        png().replace(b"IDAT", b"IDAX"),
        png((b"tEXt", b"Comment\0" + HTML)),
        png() + HTML,
        png() + ZIP_END,
        png() + ZIP_END + b"a comment".ljust(65_535),
        png() + PDF,
        b"\x89PNG\r\n\x1a\n" + HTML,
        jpeg(HTML),
        jpeg() + HTML,
        jpeg() + ZIP_END,
        jpeg() + b"<?php system('id')",
        b"\xff\xd8\xff" + HTML,
        jpeg()[:-2],
        heic(b"avif", b"mif1"),
        heic()[:-1],
        heic() + HTML,
        heic() + b"\0\0\0\1mdat\0\0\0\0\0\0\1\x10".ljust(271, b"x"),
        heic() + b"\0\0\0\1mdat\1\0\0\0\0\0\1\x10".ljust(272, b"x"),
        heic() + box(b"free", b"")[:-1],
        box(b"ftyp", b"avif\0\0\0\0mif1") + box(b"free", b"heic"),
        heic(b"avif", b".hei", b"c..."),
        box(b"ftyp", b"heic\0\0\0\0heic") + HTML,
        box(b"ftyp", b"isom\0\0\0\0mp41") + box(b"moov", b""),
        b"GIF89a\1\0\1\0\0\0\0;",
        b"MZ\x90\0",
        b"PK\x03\x04" + ZIP_END,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_web_pages_archives_and_polyglots_are_refused(content: bytes) -> None:
    assert media_type_of(content) is None


@pytest.mark.parametrize(
    "content",
    [
        png(*[(b"tEXt", b"")] * 100_000),
        jpeg().replace(b"\xff\xd8", b"\xff\xd8" + b"\xff\xe0\x00\x02" * 100_000, 1),
        heic() + box(b"free", b"xx") * 100_000,
    ],
    ids=["png", "jpeg", "heic"],
)
def test_endless_empty_parts_take_little_memory(content: bytes) -> None:
    tracemalloc.start()
    try:
        assert media_type_of(content) is not None
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@given(st.sampled_from([b"", PDF[:9], png()[:16], jpeg()[:6], heic()[:24]]), st.binary())
def test_noise_is_no_error(head: bytes, noise: bytes) -> None:
    media_type_of(head + noise)
