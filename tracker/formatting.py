"""How dates, hours, numbers, and lists are written and read, in the locale of an association."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from string import ascii_letters

from babel import Locale, dates, lists, numbers

MINUTES_IN_HOUR = 60
MINUTES_IN_DAY = 24 * MINUTES_IN_HOUR
# Outside of these, both included, hours are likelier a slip (of the point, or of minutes).
_PLACES, _WHOLE = 4, 10_000
_KILOBYTE, _MEGABYTE = 1024, 1024 * 1024

_UNIT = r"\s*(?:(?:h|hrs?|hours?)\.?)?"
_DECIMAL = re.compile(rf"(\d{{1,4}})(?:[.,](\d{{0,4}}))?{_UNIT}", re.IGNORECASE)
_LEADING_POINT = re.compile(rf"()[.,](\d{{1,4}}){_UNIT}", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)")
_MINUTES = re.compile(r"(\d{1,4})\s*(?:m|mins?|minutes?)\.?", re.IGNORECASE)
# "1h30" and "1 h 30 min": two digits, so that nobody can mean tenths of an hour.
_BOTH = re.compile(
    r"(\d{1,3})\s*h(?:ours?|rs?)?\s*([0-5]?\d(?=\s*m)|[0-5]\d)\s*(?:m(?:in(?:ute)?s?)?)?",
    re.IGNORECASE,
)
_FRACTION = re.compile(rf"(?:(\d{{1,3}})\s*)?([¼½¾]){_UNIT}", re.IGNORECASE)
_WRITTEN_FRACTION = re.compile(rf"(?:(\d{{1,3}})\s+)?(1/4|1/2|2/4|3/4){_UNIT}", re.IGNORECASE)
_CENTS = 100
# A comma before three digits groups thousands; before one or two it is a decimal point.
_MONEY = re.compile(
    r"(?P<of>[^\d\s.,+-]{0,5})\s*(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,7})(?:[.,](?P<part>\d{1,2}))?",
    re.ASCII,
)
_QUARTERS = {"¼": 15, "½": 30, "¾": 45, "1/4": 15, "1/2": 30, "2/4": 30, "3/4": 45}


def parse_hours(text: str) -> int:
    """Read ``1.5``, ``1,5``, ``1:30``, ``90 min``, ``1h30`` or ``1 1/2`` as minutes.

    Decimal hours have four places at most and are rounded to the nearest minute.
    Raises ValueError when ``text`` is none of these (a sign is not; zero is read as 0).
    """
    text = text.strip()
    if match := _CLOCK.fullmatch(text) or _BOTH.fullmatch(text):
        return _read_whole_hours(match) + int(match[2])
    if match := _FRACTION.fullmatch(text) or _WRITTEN_FRACTION.fullmatch(text):
        return _read_whole_hours(match) + _QUARTERS[match[2]]
    if match := _MINUTES.fullmatch(text):
        return int(match[1])
    if match := _LEADING_POINT.fullmatch(text) or _DECIMAL.fullmatch(text):
        part = int((match[2] or "").ljust(_PLACES, "0"))
        return _read_whole_hours(match) + (part * MINUTES_IN_HOUR + _WHOLE // 2) // _WHOLE
    message = "hours are written like 1.5, 1:30 or 90 min"
    raise ValueError(message)


def _read_whole_hours(match: re.Match[str]) -> int:
    """The minutes of the hours that a text begins with, if it begins with any."""
    return int(match[1] or 0) * MINUTES_IN_HOUR


def format_money(cents: int, currency: str) -> str:
    """``$75.00`` for 7500 cents of ``currency``, a code such as USD."""
    amount = Decimal(cents) / _CENTS
    return numbers.format_currency(amount, currency, locale=_LOCALE.get())


def parse_money(text: str, currency: str) -> int:
    """Read ``75``, ``75.5``, ``87,50``, ``$1,200.00`` or ``USD 75`` as cents of ``currency``.

    Raises ValueError when ``text`` is none of these (a minus is not; zero is read as 0), or has the
    sign of another currency.
    """
    match = _MONEY.fullmatch(text.strip())
    symbol = numbers.get_currency_symbol(currency, locale=_LOCALE.get())
    # Canadians too write $ for what others call CA$.
    known = {"", currency, symbol, symbol.lstrip(ascii_letters)}
    if match is None or match["of"] not in known:
        message = f"money is written like 75 or 87.50, in {currency}"
        raise ValueError(message)
    return int(match["whole"].replace(",", "")) * _CENTS + int((match["part"] or "").ljust(2, "0"))


def as_hours(minutes: int) -> float:
    """Minutes as decimal hours, to two places, for JSON and CSV."""
    return round(minutes / MINUTES_IN_HOUR, 2)


def format_hours(minutes: int) -> str:
    """Minutes as a person writes hours: ``12``, ``3.5``, ``0.33`` (no unit word)."""
    return f"{minutes / MINUTES_IN_HOUR:.2f}".rstrip("0").rstrip(".")


def format_hours_with_unit(minutes: int) -> str:
    """Minutes with their unit word: ``1 hour``, ``3.5 hours``."""
    return f"{format_hours(minutes)} {'hour' if minutes == MINUTES_IN_HOUR else 'hours'}"


DEFAULT_LOCALE = "en_US"
_LOCALE: ContextVar[str] = ContextVar("locale", default=DEFAULT_LOCALE)


def format_measure_number(amount: int, unit: str) -> str:
    """An amount without its unit: minutes as hours if the unit is ``hours``."""
    return format_hours(amount) if unit == "hours" else str(amount)


def format_measure(amount: int, unit: str) -> str:
    """An amount with its unit: "1.5 hours" (of minutes), "9 months"."""
    if unit == "hours":
        return format_hours_with_unit(amount)
    return f"{amount} {unit.removesuffix('s') if amount == 1 else unit}"


@contextmanager
def use_locale(locale: str) -> Iterator[None]:
    """Format in ``locale`` (such as ``en_US``) within this block and thread."""
    token = _LOCALE.set(locale)
    try:
        yield
    finally:
        _LOCALE.reset(token)


def set_locale(locale: str) -> None:
    """Format in ``locale`` for the rest of this context, such as the request that set it."""
    _LOCALE.set(locale)


_parse_locale = cache(Locale.parse)


# Babel parses the locale and the pattern anew for each date, and a page or a batch of messages has
# hundreds: without this, My year takes a third longer.
@lru_cache(maxsize=10_000)
def _format_date(day: date, pattern: str, locale: str) -> str:
    return dates.format_date(day, pattern, locale=locale)


@lru_cache(maxsize=10_000)
def _format_skeleton(day: date, skeleton: str, locale: str) -> str:
    return dates.format_skeleton(skeleton, day, locale=locale)


def format_date(day: date) -> str:
    """``June 30, 2026``."""
    return _format_date(day, "long", _LOCALE.get())


def format_short_date(day: date) -> str:
    """``Jun 30, 2026``."""
    return _format_date(day, "medium", _LOCALE.get())


def format_month_day(day: date) -> str:
    """``June 30``."""
    return _format_skeleton(day, "MMMMd", _LOCALE.get())


def format_short_month_day(day: date) -> str:
    """``Jun 30``."""
    return _format_skeleton(day, "MMMd", _LOCALE.get())


def format_month(day: date) -> str:
    """``June``."""
    return _format_date(day, "LLLL", _LOCALE.get())


def format_weekday(day: date) -> str:
    """``Monday``."""
    return _format_date(day, "EEEE", _LOCALE.get())


def join_month_days(text: str) -> str:
    """``text`` with a no-break space between the name of a month and the day: ``June 30``."""
    return _join_month_days(text, _LOCALE.get())


@lru_cache(maxsize=10_000)
def _join_month_days(text: str, locale: str) -> str:
    return _month_before_day(locale).sub("\\1\N{NO-BREAK SPACE}", text)


@cache
def _month_before_day(locale: str) -> re.Pattern[str]:
    names: set[str] = set()
    for width in ("wide", "abbreviated"):
        names.update(dates.get_month_names(width, locale=locale).values())
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(longest_first)}) (?=\d)")


def format_time(moment: datetime | time) -> str:
    """``2:05 PM``, of a time that is already local."""
    # CLDR puts a narrow no-break space before AM and PM, which some mail programs cannot show.
    written = dates.format_time(moment, "short", locale=_LOCALE.get())
    return written.replace("\u202f", " ")


def format_period(first: date, last: date) -> str:
    """``Monday, November 9, to Sunday, November 15, 2026``; both days are included."""
    if first.year == last.year:
        start = f"{format_weekday(first)}, {format_month_day(first)}"
    else:
        start = f"{format_weekday(first)}, {format_date(first)}"
    return f"{start}, to {format_weekday(last)}, {format_date(last)}"


def format_cycle_span(first: date, last: date) -> str:
    """``2026`` or ``2025 to 2027`` for whole calendar years, else both days."""
    if (first.day, first.month, last.day, last.month) != (1, 1, 31, 12):
        return f"{format_date(first)} to {format_date(last)}"
    return str(last.year) if first.year == last.year else f"{first.year} to {last.year}"


def format_list(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b, and c``; empty for no items."""
    if len(items) == 1:
        return items[0]
    return lists.format_list(list(items), locale=_parse_locale(_LOCALE.get()))


def format_alternatives(items: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b, or c``; empty for no items."""
    return lists.format_list(list(items), style="or", locale=_LOCALE.get())


def format_count(count: int, one: str, other: str | None = None) -> str:
    """``1 session``, ``3 sessions``; ``other`` is the plural where it is not ``one`` plus s."""
    form = _parse_locale(_LOCALE.get()).plural_form(count)
    return f"{count} {one if form == 'one' else other or f'{one}s'}"


def format_percent(share: float) -> str:
    """``44%`` for 0.44."""
    return numbers.format_percent(share, locale=_LOCALE.get())


def capitalize_first(text: str) -> str:
    """The text with its first letter in upper case and the rest unchanged."""
    return text[:1].upper() + text[1:]


def lowercase_first(label: str) -> str:
    """A label within a sentence: ``training``, but ``RSC training`` and ``Code of Ethics``."""
    is_abbreviation = label[1:2].isupper()
    is_name = any(word[:1].isupper() and not word.isupper() for word in label.split()[1:])
    return label if is_abbreviation or is_name else label[:1].lower() + label[1:]


def format_size(size: int) -> str:
    """A number of bytes, rounded up: ``1.3 MB``, ``20 kB``; ``0 MB`` for none."""
    if 0 < size < _MEGABYTE // 10:
        return f"{-(-size // _KILOBYTE)} kB"
    return f"{-(-size * 10 // _MEGABYTE) / 10:g} MB"


def date_field_order() -> tuple[str, ...]:
    """``("month", "day", "year")`` in the order in which the locale writes a date."""
    pattern = dates.get_date_format("short", locale=_LOCALE.get()).pattern
    return tuple(sorted(("day", "month", "year"), key=lambda part: pattern.lower().index(part[0])))


_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth"),
    *("sixth", "seventh", "eighth", "ninth", "tenth"),
)


def format_ordinal(number: int) -> str:
    """A place from 1 to 10 in words: "second"."""
    return _ORDINALS[number - 1]


# The activity whose name is an abbreviation, and can also be the topic of a training.
_SESSIONS = "rsc"
_COUNTED = {
    _SESSIONS: _SESSIONS.upper(),
    "submitted": "submission",
    "signed": "signature",
    "paid": "renewal fee",
}


def hours_word(counts: str, topic: str) -> str:
    """What is counted, in a few letters: a topic, ``RSC``, ``training``, ``submission``."""
    if topic.lower() == _SESSIONS:
        # Not "RSC hours": those are held with a provider.
        return f"{topic} {counts}"
    return topic or _COUNTED.get(counts, counts)
