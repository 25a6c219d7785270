"""A transcript as one flat table, in the order in which the association asks for it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from threading import BoundedSemaphore
from typing import Any, Literal

from tracker.exports.transcript import Part, Term, Total, Transcript, TranscriptSession
from tracker.formatting import format_date, format_hours, format_hours_with_unit
from tracker.settings import templates_folder
from tracker.spreadsheet_csv import csv_lines

_WHOSE = ("Name", "E-mail", "Association", "Category", "Cycle from", "Cycle to")
_BEFORE_TOPICS = (
    "Part",
    "Date",
    "Until",
    "Title",
    "Provider",
    "Individual or group",
    "Hours",
)
_AFTER_TOPICS = ("Counted hours", "Counts", "Why", "Hours required", "Hours reached")


def transcript_csv(transcript: Transcript) -> bytes:
    """The file: each part's rows, and after them a row for each of its requirements.

    A requirement's row has nothing under ``Hours`` or ``Counted hours``, so that either can be
    summed: it has ``Hours required`` and ``Hours reached``, in ``Counts`` its state, and in
    ``Why`` its source.
    """
    topics = [f"Hours about {topic}" for topic in transcript.topics]
    columns = [*_WHOSE, *_BEFORE_TOPICS, *topics, *_AFTER_TOPICS]
    whose = _whose(transcript)
    rows = (
        [*whose, part.heading, *cells] for part in transcript.parts for cells in _rows(part, topics)
    )
    return b"".join(csv_lines(columns, rows))


def _whose(transcript: Transcript) -> list[str]:
    about = transcript.subject
    days = (about.cycle.starts_on.isoformat(), about.cycle.ends_on.isoformat())
    return [about.name, about.email, about.association, about.category, *days]


def _rows(part: Part, topics: list[str]) -> Iterator[list[str]]:
    yield from (_session(each, topics) for each in part.sessions)
    yield from (_term(each, topics) for each in part.terms)
    yield from (_total(each, topics) for each in part.totals)


def _session(session: TranscriptSession, topics: list[str]) -> list[str]:
    about = {f"Hours about {topic}": format_hours(minutes) for topic, minutes in session.topics}
    return [
        session.held_on.isoformat(),
        "",
        session.title,
        session.provider,
        session.format,
        format_hours(session.minutes),
        *(about.get(topic, "") for topic in topics),
        format_hours(session.minutes if session.counts else 0),
        _yes_no(session.counts),
        session.reason,
        *_empty(2),
    ]


def _term(term: Term, topics: list[str]) -> list[str]:
    return [
        term.starts_on.isoformat(),
        term.ends_on.isoformat(),
        term.organization,
        *_empty(3 + len(topics) + 1),
        _yes_no(term.counts),
        term.reason,
        *_empty(2),
    ]


def _total(total: Total, topics: list[str]) -> list[str]:
    required = format_hours(total.required) if total.required else ""
    counted = format_hours(total.counted) if total.is_hours else ""
    return [
        *_empty(2),
        f"Required: {total.label}",
        *_empty(3 + len(topics) + 1),
        total.state,
        f"{total.document}, {total.section}",
        required,
        counted,
    ]


def _empty(many: int) -> list[str]:
    return [""] * many


def _yes_no(counts: bool) -> str:  # noqa: FBT001 - the cell's own value
    return "yes" if counts else "no"


def file_name(transcript: Transcript, ending: str) -> str:
    """A name that every system can store: ``transcript-<association>-<category>-<day>.csv``."""
    about = transcript.subject
    parts = ("transcript", about.association, about.category, _iso(about.cycle.starts_on))
    safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in "-".join(parts))
    return f"{safe}.{ending}"


def _iso(day: date) -> str:
    return day.isoformat()


try:
    import typst
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True
# Typesetting takes a processor to itself: others go on serving pages.
_AT_A_TIME = BoundedSemaphore(2)
_WAIT_SECONDS = 20
# The accessible kind, which also refuses what a screen reader could not read.
_ACCESSIBLE: Literal["ua-1"] = "ua-1"
_NO_GLYPH = "could not be displayed"
# Longer words than any column is wide: a break is allowed after so many letters.
_LONG_WORD = re.compile(r"\S{24}(?=\S)")


# So many take about 135 MB while they are set; 4000 took 750.
MOST_SESSIONS = 1_000


class BusyError(Exception):
    """Too many are being made at the moment: ask again later."""


def fits(transcript: Transcript) -> bool:
    """Whether a PDF of it can be made here: there is what makes it, and it is not too long."""
    return AVAILABLE and sum(len(part.sessions) for part in transcript.parts) <= MOST_SESSIONS


def transcript_pdf(transcript: Transcript) -> bytes:
    """The PDF: A4, tables with repeated heads, pages numbered. Raises BusyError."""
    facts = json.dumps(_facts(transcript), ensure_ascii=False)
    printed = datetime.combine(transcript.subject.printed_on, time(12), UTC)
    with _room():
        try:
            return _typeset(facts, printed, _ACCESSIBLE)
        except typst.TypstError as error:
            if _NO_GLYPH not in str(error):
                raise
            # A name in letters of which this machine has no font: boxes are shown for them. The
            # text beneath is right, and all else still tagged.
            return _typeset(facts, printed, None)


def _typeset(facts: str, printed: datetime, standard: Literal["ua-1"] | None) -> bytes:
    folder = templates_folder() / "pdf"
    return typst.compile(
        folder / "transcript.typ",
        root=folder,
        format="pdf",
        sys_inputs={"transcript": facts},
        pdf_standards=standard,
        timestamp=int(printed.timestamp()),
    )


@contextmanager
def _room() -> Iterator[None]:
    if not _AT_A_TIME.acquire(timeout=_WAIT_SECONDS):
        raise BusyError
    try:
        yield
    finally:
        _AT_A_TIME.release()


def _facts(transcript: Transcript) -> dict[str, Any]:
    about = transcript.subject
    cycle = about.cycle
    return {
        "name": _breakable(about.name),
        "email": _breakable(about.email),
        "association": about.association_name,
        "short": about.association,
        "category": f"{about.category_name} ({about.category})",
        "cycle": f"{format_date(cycle.starts_on)} to {format_date(cycle.ends_on)}",
        "printed": format_date(about.printed_on),
        "standing": transcript.standing,
        "detail": transcript.detail,
        "parts": [_part(part) for part in transcript.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "heading": part.heading,
        "totals": [_total_transcript_pdf(each) for each in part.totals],
        "sessions": [_session_transcript_pdf(each) for each in part.sessions],
        "terms": [_term_transcript_pdf(each) for each in part.terms],
        "counted": format_hours_with_unit(part.counted),
        "not_counted": format_hours_with_unit(part.not_counted) if part.not_counted else "",
    }


def _total_transcript_pdf(total: Total) -> dict[str, Any]:
    required = f" of {format_hours(total.required)}" if total.required else ""
    return {
        "label": total.label,
        "amount": f"{format_hours(total.counted)}{required} h" if total.is_hours else "",
        "state": total.state,
        "source": f"{total.document}, “{total.section}”",
        "inside": total.is_topic,
    }


def _session_transcript_pdf(session: TranscriptSession) -> dict[str, Any]:
    return {
        "day": format_date(session.held_on),
        "title": _breakable(session.title),
        "provider": _breakable(session.provider),
        "format": session.format,
        "hours": format_hours(session.minutes),
        "topics": ", ".join(f"{topic} {format_hours(m)} h" for topic, m in session.topics),
        "counts": session.counts,
        "reason": _breakable(session.reason),
    }


def _breakable(text: str) -> str:
    return _LONG_WORD.sub("\\g<0>\N{ZERO WIDTH SPACE}", text)


def _term_transcript_pdf(term: Term) -> dict[str, Any]:
    return {
        "organization": term.organization,
        "first": format_date(term.starts_on),
        "last": format_date(term.ends_on),
        "counts": term.counts,
        "reason": term.reason,
    }
