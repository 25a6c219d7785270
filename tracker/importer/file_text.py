"""The text of a file and its rows of cells, in every shape in which spreadsheets save them."""

import codecs
import csv
import io
import re
from collections.abc import Iterator

_NEXT_LINE = re.compile(r"\r\n?|\n")
# What Mac Roman's accented letters look like in Windows-1252, in places where nobody writes that.
_CAPITAL = (
    r"[\N{LATIN CAPITAL LETTER Z WITH CARON}\N{LATIN CAPITAL LETTER S WITH CARON}"
    r"\N{LATIN CAPITAL LIGATURE OE}\N{LATIN CAPITAL LETTER Y WITH DIAERESIS}]"
)
_SIGN = (
    r"[\N{DAGGER}\N{DOUBLE DAGGER}\N{PER MILLE SIGN}\N{DOUBLE LOW-9 QUOTATION MARK}"
    r"\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}\N{LATIN SMALL LETTER F WITH HOOK}]"
)
_GARBLED = re.compile(rf"\w*(?:[a-z]{_CAPITAL}|\w(?:{_CAPITAL}|{_SIGN})(?=[a-z]))\w*")
# Excel's own first line, which names the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?[,;\t| ]*', re.IGNORECASE)
# A comma wins over the others if the first line has as many of each.
_SEPARATORS = ",\t;|"


class UnreadableFile(Exception):  # noqa: N818 - reads as the sentence it prints
    """The rest of a file can't be read, from ``line`` on (None: the whole file)."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def count_lines(text: str) -> int:
    """How many line ends a text has: LF, CR LF, or CR."""
    return len(_NEXT_LINE.findall(text))


def decode(data: bytes) -> str:
    """The text of a file: UTF-16, UTF-8 with or without a byte order mark, or of one byte a letter.

    That is Mac Roman if lines end with CR as on old Macintoshes, otherwise Windows-1252. Raises
    UnreadableFile for bytes that are none of them, and for NUL characters.
    """
    text = _decode_unicode(data)
    if text is None:
        has_only_cr = b"\r" in data and b"\n" not in data
        text = data.decode("mac_roman") if has_only_cr else _decode_windows(data)
    if (position := text.find("\0")) >= 0:
        line = count_lines(text[:position]) + 1
        raise UnreadableFile("contains a NUL character: this is not CSV", line)
    return text


def _decode_unicode(data: bytes) -> str | None:
    """The text of a file in UTF-8 or UTF-16; None if it is in neither."""
    encoding = _utf_16_of(data)
    if encoding:
        try:
            return data.decode(encoding).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
        except UnicodeDecodeError as error:
            message = 'is broken UTF-16: save it again, best as "CSV UTF-8"'
            line = count_lines(data[: error.start].decode(encoding, "replace")) + 1
            raise UnreadableFile(message, line) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(codecs.BOM_UTF8):
            message = "is not UTF-8, as its first bytes say"
            raise UnreadableFile(message, _line_of(data, error.start)) from None
        return None


def _decode_windows(data: bytes) -> str:
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        message = f"byte {data[error.start]:#04x} is neither UTF-8 nor Windows-1252"
        raise UnreadableFile(message, _line_of(data, error.start)) from None
    if garbled := _GARBLED.search(text):
        message = f'is not Windows-1252, or "{garbled[0]}" would be in it: save it as "CSV UTF-8"'
        raise UnreadableFile(message, count_lines(text[: garbled.start()]) + 1)
    return text


def _utf_16_of(data: bytes) -> str | None:
    """The kind of UTF-16 of a file; None if it is something else.

    Without a byte order mark, the first character shows it: it is always an ASCII letter.
    """
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnreadableFile('is UTF-32: save it as "CSV UTF-8"')
    first, second = data[:1], data[1:2]
    if data.startswith(codecs.BOM_UTF16_LE) or (second == b"\0" and first.isalpha()):
        return "utf-16-le"
    if data.startswith(codecs.BOM_UTF16_BE) or (first == b"\0" and second.isalpha()):
        return "utf-16-be"
    return None


def _line_of(data: bytes, position: int) -> int:
    return count_lines(data[:position].decode("latin-1")) + 1


def split_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file that are not blank, each with its first physical line, from 1.

    The first line decides what separates cells: commas, tabs, semicolons, or vertical bars. Raises
    UnreadableFile for quotes that do not match or an absurdly long cell.
    """
    separator, skipped = _find_separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    line = 1
    try:
        for cells in reader:
            if line > skipped and any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"the row can't be read ({error}): double the quotes inside a quoted cell"
        raise UnreadableFile(message, line) from error


def _find_separator(text: str) -> tuple[str, int]:
    """What separates the cells, and how many lines at the top do nothing but name it."""
    first = ""
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        first = line.rstrip("\n")
        if match := _SEPARATOR_LINE.fullmatch(first):
            return match[1], number
        if first.strip():
            break
    return max(_SEPARATORS, key=first.count), 0
