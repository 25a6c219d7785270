"""A transcript as a CSV file and as a PDF."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from tracker.exports import pdf_files
from tracker.exports.transcript import (
    Transcript,
    TranscriptPart,
    TranscriptSession,
    TranscriptTerm,
    TranscriptTotal,
)
from tracker.formatting import (
    format_date,
    format_hours,
    format_hours_with_unit,
    format_measure_number,
)
from tracker.spreadsheet_csv import csv_lines

# Longer ones would come near the limits of `tracker.exports.typesetting`.
MOST_SESSIONS = 1_000
_UNITS = {"hours": "h", "months": "months"}
# No column is wider than this: longer words may break after so many letters.
_LONG_WORD = re.compile(r"\S{24}(?=\S)")


def file_name(transcript: Transcript, ending: str) -> str:
    """A name that every system can store: ``transcript-<association>-<category>-<day>.csv``."""
    day = transcript.cycle.starts_on.isoformat()
    name = f"transcript-{transcript.association}-{transcript.category}-{day}"
    safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
    return f"{safe}.{ending}"


_COLUMNS_BEFORE_TOPICS = (
    "Name",
    "E-mail",
    "Association",
    "Category",
    "Cycle from",
    "Cycle to",
    "Part",
    "Date",
    "Until",
    "Title",
    "Provider",
    "Individual or group",
    "Hours",
)
_COLUMNS_AFTER_TOPICS = ("Counted hours", "Counts", "Why", "Hours required", "Hours reached")


def transcript_csv(transcript: Transcript) -> bytes:
    """One flat table: each part's rows, and after them a row for each of its requirements.

    A requirement's row has no ``Hours`` or ``Counted hours``, so that either column can be summed.
    It has ``Hours required`` and ``Hours reached``, its state in ``Counts``, and its source in
    ``Why``.
    """
    topics = [f"Hours about {topic}" for topic in transcript.topics]
    columns = [*_COLUMNS_BEFORE_TOPICS, *topics, *_COLUMNS_AFTER_TOPICS]
    common = {
        "Name": transcript.name,
        "E-mail": transcript.email,
        "Association": transcript.association,
        "Category": transcript.category,
        "Cycle from": transcript.cycle.starts_on.isoformat(),
        "Cycle to": transcript.cycle.ends_on.isoformat(),
    }
    rows = []
    for part in transcript.parts:
        for cells in _csv_rows(part):
            row = {**common, "Part": part.heading, **cells}
            rows.append([row.get(column) or "" for column in columns])
    return b"".join(csv_lines(columns, rows))


def _format_end(term: TranscriptTerm, format_day: Callable[[date], str]) -> str:
    return format_day(term.ends_on) if term.ends_on else "for life"


def _csv_rows(part: TranscriptPart) -> Iterator[dict[str, str | None]]:
    """The cells of a part's rows that are not empty, by column."""
    for session in part.sessions:
        entry, hours = session.entry, format_hours(session.entry.minutes)
        cells = {
            "Date": entry.held_on.isoformat(),
            "Title": entry.title,
            "Provider": session.provider,
            "Individual or group": entry.format,
            "Hours": hours,
            "Counted hours": format_hours(session.counted),
            "Counts": "yes" if session.counts else "no",
            "Why": session.reason,
        }
        for topic, minutes in entry.topics.items():
            cells[f"Hours about {topic}"] = format_hours(minutes)
        yield cells
    for term in part.terms:
        yield {
            "Date": term.starts_on.isoformat(),
            "Until": _format_end(term, date.isoformat),
            "Title": term.organization,
            "Counts": "yes" if term.counts else "no",
            "Why": term.reason,
        }
    for total in part.totals:
        is_hours = total.unit == "hours"
        yield {
            "Title": f"Required: {total.label}{_format_months(total)}",
            "Counts": total.state,
            "Why": f"{total.document}, {total.section}",
            "Hours required": format_hours(total.required) if is_hours and total.required else "",
            "Hours reached": format_hours(total.counted) if is_hours else "",
        }


def _format_months(total: TranscriptTotal) -> str:
    """The progress of a spread, for which the file has no column: `` (7 of 9 months)``."""
    if total.unit in ("", "hours"):
        return ""
    required = f" of {total.required}" if total.required else ""
    return f" ({total.counted}{required} {total.unit})"


def can_make_pdf(transcript: Transcript) -> bool:
    """Whether typst is installed and the transcript is not too long."""
    sessions = sum(len(part.sessions) for part in transcript.parts)
    return pdf_files.AVAILABLE and sessions <= MOST_SESSIONS


def transcript_pdf(transcript: Transcript, person_id: int) -> bytes:
    """A tagged PDF on US Letter paper. Raises as `pdf_files.make_pdf`."""
    data = _pdf_data(transcript)
    return pdf_files.make_pdf("transcript", data, transcript.printed_on, person_id)


def _pdf_data(transcript: Transcript) -> dict[str, Any]:
    """What the template shows, as text."""
    cycle = transcript.cycle
    return {
        "name": _breakable(transcript.name),
        "email": _breakable(transcript.email),
        "association": transcript.association_name,
        "short": transcript.association,
        "category": f"{transcript.category_name} ({transcript.category})",
        "cycle": f"{format_date(cycle.starts_on)} to {format_date(cycle.ends_on)}",
        "printed": format_date(transcript.printed_on),
        "standing": transcript.standing_of_day,
        "detail": transcript.detail,
        "parts": [_part_data(part) for part in transcript.parts],
    }


def _part_data(part: TranscriptPart) -> dict[str, Any]:
    totals, terms = [], []
    for total in part.totals:
        amount = format_measure_number(total.counted, total.unit)
        if total.required:
            amount += f" of {format_measure_number(total.required, total.unit)}"
        totals.append(
            {
                "label": total.label,
                "amount": f"{amount} {_UNITS[total.unit]}" if total.unit else "",
                "state": total.state,
                "short": total.is_short,
                "source": f"{total.document}, “{total.section}”",
                "inside": total.is_part,
            }
        )
    for term in part.terms:
        first = format_date(term.starts_on)
        last = _format_end(term, format_date)
        shown = {"organization": term.organization, "counts": term.counts, "reason": term.reason}
        terms.append({**shown, "first": first, "last": last})
    return {
        "kind": part.kind,
        "heading": part.heading,
        "totals": totals,
        "sessions": [_session_data(session) for session in part.sessions],
        "terms": terms,
        "counted": format_hours_with_unit(part.counted),
        "not_counted": format_hours_with_unit(part.not_counted) if part.not_counted else "",
    }


def _session_data(session: TranscriptSession) -> dict[str, Any]:
    entry = session.entry
    topics = [f"{topic} {format_hours(m)} h" for topic, m in entry.topics.items()]
    return {
        "day": format_date(entry.held_on),
        "title": _breakable(entry.title),
        "provider": _breakable(session.provider),
        "format": entry.format or "",
        "hours": format_hours(entry.minutes),
        "topics": ", ".join(topics),
        "counts": session.counts,
        "reason": _breakable(session.reason),
    }


def _breakable(text: str) -> str:
    return _LONG_WORD.sub("\\g<0>\N{ZERO WIDTH SPACE}", text)
