"""A transcript as one flat table, in the order in which the association asks for it."""

from collections.abc import Iterator
from datetime import date

from tracker.hours import say_hours
from tracker.transfer.safe_csv import csv_lines
from tracker.transfer.transcript import Part, Session, Term, Total, Transcript

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


def _session(session: Session, topics: list[str]) -> list[str]:
    about = {f"Hours about {topic}": say_hours(minutes) for topic, minutes in session.topics}
    return [
        session.held_on.isoformat(),
        "",
        session.title,
        session.provider,
        session.format,
        say_hours(session.minutes),
        *(about.get(topic, "") for topic in topics),
        say_hours(session.minutes if session.counts else 0),
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
    required = say_hours(total.required) if total.required else ""
    counted = say_hours(total.counted) if total.is_hours else ""
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
