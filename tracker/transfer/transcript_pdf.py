"""A transcript as a tagged PDF (PDF/UA-1), by the extra ``pdf``.

The template gets the transcript as data, never as markup of its own: whatever somebody typed into
a title stays text.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from threading import BoundedSemaphore
from typing import Any, Literal

from tracker.hours import count_hours, say_hours
from tracker.rules.providers import say_day
from tracker.settings import templates_folder
from tracker.transfer.transcript import Part, Session, Term, Total, Transcript

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
        "cycle": f"{say_day(cycle.starts_on)} to {say_day(cycle.ends_on)}",
        "printed": say_day(about.printed_on),
        "standing": transcript.standing,
        "detail": transcript.detail,
        "parts": [_part(part) for part in transcript.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "heading": part.heading,
        "totals": [_total(each) for each in part.totals],
        "sessions": [_session(each) for each in part.sessions],
        "terms": [_term(each) for each in part.terms],
        "counted": count_hours(part.counted),
        "not_counted": count_hours(part.not_counted) if part.not_counted else "",
    }


def _total(total: Total) -> dict[str, Any]:
    required = f" of {say_hours(total.required)}" if total.required else ""
    return {
        "label": total.label,
        "amount": f"{say_hours(total.counted)}{required} h" if total.is_hours else "",
        "state": total.state,
        "source": f"{total.document}, “{total.section}”",
        "inside": total.is_topic,
    }


def _session(session: Session) -> dict[str, Any]:
    return {
        "day": say_day(session.held_on),
        "title": _breakable(session.title),
        "provider": _breakable(session.provider),
        "format": session.format,
        "hours": say_hours(session.minutes),
        "topics": ", ".join(f"{topic} {say_hours(m)} h" for topic, m in session.topics),
        "counts": session.counts,
        "reason": _breakable(session.reason),
    }


def _breakable(text: str) -> str:
    return _LONG_WORD.sub("\\g<0>\N{ZERO WIDTH SPACE}", text)


def _term(term: Term) -> dict[str, Any]:
    return {
        "organization": term.organization,
        "first": say_day(term.starts_on),
        "last": say_day(term.ends_on),
        "counts": term.counts,
        "reason": term.reason,
    }
