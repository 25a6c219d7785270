"""Text as it is stored, and names as they are compared.

Two spellings that look alike are one text: é is one character or an e with an accent, and a blank
can be any of twenty characters.
"""

import re
import unicodedata
from functools import lru_cache

# Blanks of any kind, and what no reader sees: characters without any width, and those that turn
# the text after them around. Persian and Indic names need the two joiners, which stay.
_BLANKS = re.compile(
    r"[\s\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}"
    r"\N{LEFT-TO-RIGHT EMBEDDING}-\N{RIGHT-TO-LEFT OVERRIDE}"
    r"\N{LEFT-TO-RIGHT ISOLATE}-\N{POP DIRECTIONAL ISOLATE}]+"
)
_LINK = re.compile(r"[@/<>]|\bwww\.|[.\u3002\uff0e\uff61]\w{2}", re.IGNORECASE)
_LINK_IN_TEXT = re.compile(r"@|://|\bwww\.|\w[.\u3002\uff0e\uff61]\w{2}", re.IGNORECASE)
# As they are written after a name, without a space: "M.Ed.", "B.Sc.".
_DEGREE = re.compile(r"(?<![\w.])(?:[A-Z]\.)+(?:Ed|Sc|Div|Phil)\b(?!\.\w|-)")
# Before a word; only if it begins with a capital letter, it is one of a name.
_DOT_IN_NAME = re.compile(r"(?<=\w)\.(?=(\w)(\w))")
_BETWEEN_WORDS = re.compile(r"[\W_]+")
# Unicode counts those of Hawaiian, Samoan, Hebrew, and Arabic names among the letters, but nobody
# has them on a keyboard.
_LIKE_APOSTROPHES = dict.fromkeys(
    map(
        ord,
        "\N{MODIFIER LETTER TURNED COMMA}\N{MODIFIER LETTER APOSTROPHE}"
        "\N{MODIFIER LETTER REVERSED COMMA}\N{MODIFIER LETTER PRIME}"
        "\N{MODIFIER LETTER RIGHT HALF RING}\N{MODIFIER LETTER LEFT HALF RING}"
        "\N{MODIFIER LETTER GLOTTAL STOP}\N{LATIN SMALL LETTER SALTILLO}"
        "\N{LATIN CAPITAL LETTER SALTILLO}",
    ),
    "'",
)


def normalize_text(text: str) -> str:
    """One line of text in Unicode's composed form (NFC), its words separated by one space."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    return _BLANKS.sub(" ", unicodedata.normalize("NFC", text)).strip()


# All the names of a large association: a list looks through them again each time.
@lru_cache(maxsize=16_384)
def plain_name(name: str) -> str:
    """A name in lower case without accents and apostrophes, its words separated by one space."""
    decomposed = unicodedata.normalize("NFKD", name.casefold()).translate(_LIKE_APOSTROPHES)
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _BETWEEN_WORDS.sub(" ", letters).strip()


def space_initials(name: str) -> str:
    """A typed name with a space after each dot within it: ``Ann St.John``, ``K.Smith``.

    So no mail program takes a part of it for a link. Degrees such as ``M.Ed.`` stay as they are.
    """
    pieces, start = [], 0
    for degree in _DEGREE.finditer(name):
        pieces += [_DOT_IN_NAME.sub(_space_dot, name[start : degree.start()]), degree[0]]
        start = degree.end()
    return "".join([*pieces, _DOT_IN_NAME.sub(_space_dot, name[start:])])


def _space_dot(dot: re.Match[str]) -> str:
    return ". " if dot[1].isupper() and dot[2].islower() else "."


def contains_link(text: str) -> bool:
    """Whether mail programs could make a link or an address of a part of a text.

    Degrees such as ``M.Ed.`` are none.
    """
    return _LINK_IN_TEXT.search(_DEGREE.sub("", text)) is not None


def looks_like_link(name: str) -> bool:
    """Whether mail programs could make a link or an address of a name; degrees after it are none.

    Names go into mails to strangers.
    """
    return _LINK.search(_DEGREE.sub("", name)) is not None


def starts_words(typed: str, name: str) -> bool:
    """Whether each typed word starts a different word of the name, as `plain_name` compares them.

    Nothing typed starts no name.
    """
    plain, words = plain_name(name), plain_name(typed).split()
    if not all(word in plain for word in words):
        return False  # most names, and quicker than what follows
    left = plain.split()
    for word in sorted(words, key=len, reverse=True):
        match = next((part for part in left if part.startswith(word)), None)
        if match is None:
            return False
        left.remove(match)
    return bool(words)
