"""Finds the addresses and names of a person in texts, however people, JSON, and URLs write them."""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote_plus

from sqlalchemy import Column, ColumnElement, and_, func, or_, true

from tracker.plain_text import plain_name

# A blank of any kind or width, as in texts, in JSON (where a backslash can be doubled), in URLs.
_BLANK = (
    "(?:[\\s\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}]"
    r"|\\+(?:[nrtfv]|u(?:0085|00a0|1680|20(?:[02][0-9a-f]|5f|60)|3000|feff))"
    r"|\+|%(?:09|0a|0d|20|c2%a0))"
)
# Between two words of a name. They can also be in two columns of a list.
_JOINT = rf"(?:(?:,|%2c){_BLANK}*|{_BLANK}+)"
# Escapes of blanks and signs. They end with a letter or a digit, but belong to no word.
_AFTER_ESCAPE = (
    r"(?<=\\[nrtfv])|(?<=\\u20[0-9a-f]{2})|(?<=\\u00[ab][0-9a-f])"
    r"|(?<=%0[9ad])|(?<=%2[0278c])|(?<=%3[abcdef])|(?<=%c2%[ab][0-9a-f])|(?<=%e2%80%[0-9a-f]{2})"
)
_ESCAPED_LETTER = r"\\+u(?:00[c-f]|0[1-9a-f][0-9a-f])[0-9a-f]|%(?:c[3-9a-f]|d[0-9a-f])"
_BEFORE_NAME = rf"(?:(?<!\w)|{_AFTER_ESCAPE})"
_AFTER_NAME = rf"(?!\w|{_ESCAPED_LETTER})"
# An address is not the end or the beginning of another one.
_BEFORE_EMAIL = rf"(?:(?<![\w.+%-])|{_AFTER_ESCAPE})"
_AFTER_EMAIL = rf"(?![\w-]|\.\w|{_ESCAPED_LETTER})"
_APOSTROPHES = "'`\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
_APOSTROPHES += "\N{MODIFIER LETTER APOSTROPHE}\N{MODIFIER LETTER TURNED COMMA}"
_HYPHENS = "-\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{EN DASH}"
# How much around a name can belong to a longer one.
_WORDS_AROUND, _CHARACTERS_AROUND = 3, 80
_NOT_IN_NAMES = re.compile(r"[^\w\s.'\N{RIGHT SINGLE QUOTATION MARK}-]")
_NEVER = "(?!)"
_Words = tuple[str, ...]


class IdentifyingText:
    """The addresses and names of one person, and what replaces them.

    ``emails`` are in lower case. ``others`` are the names of all other people as `plain_name`
    compares them. A name of a single word, or one that somebody else has, is in texts for other
    reasons: it is not looked for.
    """

    def __init__(
        self,
        emails: Collection[str],
        names: Collection[str],
        others: Collection[str],
        *,
        address: str,
        label: str,
    ) -> None:
        self._address, self._label, self._others = address, label, others
        spellings = {each for name in names for each in _list_spellings(name)}
        own = [words for words in spellings if plain_name(" ".join(words)) not in others]
        # The longest first: a former name can be a part of today's.
        own.sort(key=lambda words: (-len(" ".join(words)), words))
        self._pattern = re.compile(
            f"(?P<email>{_BEFORE_EMAIL}{_any_of(map(_spell_email, sorted(emails)))}{_AFTER_EMAIL})"
            f"|{_BEFORE_NAME}{_any_of(map(_spell_name, own))}{_AFTER_NAME}",
            re.IGNORECASE,
        )
        self._fragments = {_list_fragments(text) for text in (*emails, *map(" ".join, own))}

    def is_in(self, text: str) -> bool:
        """Whether a text has an address or a name of the person."""
        lowered = text.lower()
        # The pattern takes a millisecond a page, and this a hundredth of that.
        may_be_in = any(
            all(fragment in lowered for fragment in fragments if fragment.isascii())
            for fragments in self._fragments
        )
        return may_be_in and any(map(self._is_own, self._pattern.finditer(text)))

    def replace(self, text: str) -> str:
        """The text without addresses and names of the person."""
        return self._pattern.sub(self._replace, text)

    def may_be_in(self, column: Column[Any]) -> ColumnElement[bool]:
        """That a text of a column has all letters of an address or of a name, in any order."""
        return or_(
            *(
                and_(true(), *(_contains(column, fragment) for fragment in sorted(fragments)))
                for fragments in self._fragments
            )
        )

    def _replace(self, match: re.Match[str]) -> str:
        if match["email"]:
            return self._address
        return self._label if self._is_own(match) else match[0]

    def _is_own(self, match: re.Match[str]) -> bool:
        """Whether a match is an address, or a name that is no part of somebody else's."""
        if match["email"]:
            return True
        start, end = match.span()
        before = _decode(match.string[max(start - _CHARACTERS_AROUND, 0) : start])
        after = _decode(match.string[end : end + _CHARACTERS_AROUND])
        longer = _list_longer_names(
            _NOT_IN_NAMES.split(before)[-1].split()[-_WORDS_AROUND:],
            _decode(match[0]),
            _NOT_IN_NAMES.split(after)[0].split()[:_WORDS_AROUND],
        )
        return not any(
            len(words) > 1 and plain_name(" ".join(words)) in self._others for words in longer
        )


def _list_longer_names(before: list[str], name: str, after: list[str]) -> Iterator[list[str]]:
    """The names of which a name in a text can be a part.

    Each half of "Reyes, Ann" can belong to a name of its own: "Eve Reyes, Ann Osei".
    """
    halves = [half.split() for half in name.split(",")]
    starts = [[], *(before[index:] for index in range(len(before)))]
    ends = [[], *(after[: index + 1] for index in range(len(after)))]
    yield from ([*start, name, *end] for start in starts for end in ends)
    yield from ([*start, *halves[0]] for start in starts)
    yield from ([*halves[-1], *end] for end in ends)


def _list_spellings(name: str) -> Iterator[_Words]:
    """The words of a name in each order, as far as the surname can come first.

    What follows a comma can be a degree, and is left out, too. A single word has no spellings.
    """
    for text in (name, name.partition(",")[0]):
        words = tuple(text.replace(",", " ").split())
        if len(words) > 1:
            yield from (words[index:] + words[:index] for index in range(len(words)))


def _any_of(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns) or _NEVER})"


def _spell_name(words: _Words) -> str:
    """The pattern of a name, with or without its accents."""
    return _JOINT.join("".join(map(_spell_letter, word)) for word in words)


def _spell_letter(letter: str) -> str:
    if letter in _APOSTROPHES:
        return _any_of(map(_write, _APOSTROPHES))
    if letter in _HYPHENS:
        return _any_of([*map(_write, _HYPHENS), _BLANK])
    forms = set[str]()
    for form in (letter, letter.lower(), letter.upper()):
        decomposed = unicodedata.normalize("NFKD", form)
        plain = "".join(each for each in decomposed if not unicodedata.combining(each))
        forms |= {form, decomposed, plain}
    # Longer ones first: a letter without its accent is the beginning of one that has it.
    return _any_of(map(_write, sorted(forms, key=lambda form: (-len(form), form))))


def _spell_email(email: str) -> str:
    return "".join(_any_of(map(_write, sorted({letter, letter.upper()}))) for letter in email)


def _write(text: str) -> str:
    """The pattern of a text as it is, as JSON escapes it, and as a URL does."""
    if text.isascii() and text.isalnum():
        return text
    in_json = re.escape(json.dumps(text)[1:-1]).replace(r"\\", r"\\+")
    return _any_of(sorted({re.escape(text), in_json, quote(text, safe="")}))


def _decode(text: str) -> str:
    """A part of a text with what JSON or a URL escapes as people write it."""
    text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), text)
    return unquote_plus(re.sub(r"\\+[nrtfv]", " ", text))


def _list_fragments(text: str) -> frozenset[str]:
    """The runs of ASCII letters and digits in a text; without any, its letters."""
    runs = re.findall(r"[A-Za-z0-9]+", text) or filter(str.isalnum, text)
    return frozenset(run.lower() for run in runs)


def _contains(column: Column[Any], fragment: str) -> ColumnElement[bool]:
    """That a text has a fragment in upper or lower case, perhaps escaped.

    In some locales databases lower the letters of ASCII alone.
    """
    lowered = func.lower(column)
    if fragment.isascii():
        return lowered.contains(fragment)
    return or_(
        *(
            condition
            for form in (fragment, fragment.upper())
            for condition in (
                column.contains(form),
                # In JSON that is in JSON, too, where backslashes are doubled.
                lowered.contains(json.dumps(form)[2:7]),
                lowered.contains(quote(form).lower(), autoescape=True),
            )
        )
    )
