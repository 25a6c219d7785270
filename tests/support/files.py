"""The smallest files of each kind that evidence may be."""

import zlib

PDF = b"%PDF-1.4\n1 0 obj <<>> endobj\ntrailer <<>>\nstartxref\n9\n%%EOF\n"


def png(*more: tuple[bytes, bytes]) -> bytes:
    """One grey pixel, with further chunks (name, content) before its data."""
    chunks = [
        (b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0])),
        *more,
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    ]
    parts = [
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg(comment: bytes = b"") -> bytes:
    """The outline of a picture, with a comment in it."""

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content

    head = segment(0xE0, b"JFIF\0") + segment(0xFE, comment) + segment(0xC0, b"\x08\0\1\0\1\1")
    return b"\xff\xd8" + head + segment(0xDA, b"\1\1\0\0\x3f\0") + b"\x12\x34\xff\xd9"


def box(name: bytes, content: bytes) -> bytes:
    """A box of an ISO media file."""
    return (len(content) + 8).to_bytes(4, "big") + name + content


def heic(major: bytes = b"heic", *compatible: bytes) -> bytes:
    """The outline of a phone's photo."""
    brands = major + b"\0\0\0\0" + b"".join(compatible or (b"mif1", b"heic"))
    return box(b"ftyp", brands) + box(b"meta", b"\0" * 8) + box(b"mdat", b"\x12\x34")


ZIP_END = b"PK\x05\x06" + b"\0" * 18
