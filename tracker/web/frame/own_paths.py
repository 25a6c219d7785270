"""Where a link or form may send a browser afterwards: to pages of ours and nowhere else."""

import unicodedata
from urllib.parse import unquote, urlsplit

_FIRST_PAGE = "/"
_LONGEST = 2000


def safe_path(wanted: str) -> str:
    """A path of ours (with its query) that somebody wanted to go to; "/" for anything else.

    It has to be one as it stands, and still be one when some program on the way has decoded it
    once more, or has taken a letter that only looks like a slash for one.
    """
    if len(wanted) > _LONGEST or not wanted.isascii():
        return _FIRST_PAGE
    decoded = unquote(wanted)
    readings = (wanted, decoded, unicodedata.normalize("NFKC", decoded))
    return wanted if all(map(_is_own, readings)) else _FIRST_PAGE


def _is_own(path: str) -> bool:
    # Browsers read a backslash as a slash, and leave out tabs and line breaks.
    if not path.isprintable() or "\\" in path or "//" in path or not path.startswith("/"):
        return False
    try:
        parts = urlsplit(path)
    except ValueError:
        return False
    return not (parts.scheme or parts.netloc)
