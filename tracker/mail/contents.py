"""The fields of each kind of mail, which its templates lay out.

`tracker.notifications` decides the wording. Hours are words here ("3.5 short"), and days are
written as people read them ("December 31").
"""

from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Action:
    """The one button: what it says and the full address that it opens."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement: "Reflective supervision", "8.5 of 12 hours", "3.5 short"."""

    label: str
    progress: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One piece of news: an endorsement's renewal, a membership, a provider's cutoff.

    An empty ``title`` (when there is one section) or ``text`` is left out. ``links`` open the
    pages that the mail's button does not.
    """

    title: str
    text: str
    rows: tuple[Row, ...] = ()
    details: tuple[str, ...] = ()
    links: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class NoticesMail:
    """All that is due for one person on one day.

    ``headline`` is the news in one sentence, ``why`` says why one gets this mail, and
    ``next_reminder`` names the day of the next one, if there will be one; ``choose_url`` opens the
    page on which people choose which emails they get.
    """

    kind: ClassVar[str] = "notices"
    subject: str
    greeting_name: str
    headline: str
    intro: str
    sections: tuple[Section, ...]
    action: Action
    closing: str
    why: str
    next_reminder: str | None = None
    choose_url: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with what it counts: "61", "met, 9 more than last week"."""

    value: str
    label: str
    tone: Literal["good", "plain", "warm"] = "plain"


@dataclass(frozen=True, slots=True)
class Need:
    """What needs the coordinator: who ("A. Moreno"), in what, why, and what to do.

    ``url`` opens its row on the start page; empty shows no link.
    """

    name: str
    category: str
    reason: str
    todo: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A fact with a figure beside it: "9 completed, 64 hours logged", "44 % to 52 % done"."""

    text: str
    note: str = ""
    strong: str = ""


@dataclass(frozen=True, slots=True)
class Trend:
    """A small table: the heads of its columns, and its rows; the first column names the week."""

    heads: tuple[str, ...] = ()
    weeks: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Applicants:
    """The applicants: ``summary`` counts all ("2 ready, 1 needs review, 4 not ready").

    ``url`` opens the list. ``summary`` is empty if there are no applicants.
    """

    summary: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class DigestMail:
    """A coordinator's week. In a quiet one ``needs`` is empty and the figures are zeros.

    ``period`` names both days, which count ("Monday 9 to Sunday November 15, 2026"); ``health``
    says how the last nightly run went, and ``healthy`` whether that is as it should be.
    ``needs`` is sorted (worst first) and capped by the caller; ``more_needs`` counts the rest, and
    ``snoozed`` what coordinators put off,
    as ``more_bounced`` does for ``bounced`` (strong: who; text: why; note: the address), and
    ``more_unsent`` for ``unsent``, which the mail server or we failed to send.
    ``changes`` is since last week, ``ahead`` what stops counting when (strong: the day).
    ``applicants`` is left out where nobody has applied.
    """

    kind: ClassVar[str] = "digest"
    subject: str
    association: str
    period: str
    headline: str
    health: str
    healthy: bool
    figures: tuple[Figure, ...]
    needs: tuple[Need, ...]
    more_needs: int
    changes: tuple[Line, ...]
    trend: Trend
    ahead: tuple[Line, ...]
    bounced: tuple[Line, ...]
    more_bounced: int
    action: Action
    why: str
    unsubscribe_url: str
    applicants: Applicants = Applicants()
    unsent: tuple[Line, ...] = ()
    more_unsent: int = 0
    snoozed: int = 0


@dataclass(frozen=True, slots=True)
class ReferenceMail:
    """Asks somebody for a reference: ``role`` and ``endorsement`` in words, ``why`` one gets it.

    ``again`` is empty in the first mail, and says in a reminder when one was asked first.
    ``asks_ratings``: the form asks to rate the applicant's work. ``is_reinstatement``: the person
    was removed and asks to come back.
    """

    kind: ClassVar[str] = "reference"
    subject: str
    greeting_name: str
    applicant: str
    association: str
    endorsement: str
    role: str
    action: Action
    why: str
    again: str = ""
    asks_ratings: bool = False
    is_reinstatement: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceReminderMail(ReferenceMail):
    """Asks once more somebody who has not answered."""

    kind: ClassVar[str] = "reference-reminder"


@dataclass(frozen=True, slots=True)
class RequestMail:
    """What was decided about a request for leave or a later due date, or about an application.

    ``rows`` are the days that hold now, ``intro`` what that means, ``answer`` the coordinator's
    own words (empty: none) and ``answered_by`` who wrote them.
    """

    kind: ClassVar[str] = "request"
    subject: str
    greeting_name: str
    headline: str
    intro: str
    rows: tuple[Row, ...]
    action: Action
    why: str
    answer: str = ""
    answered_by: str = ""


@dataclass(frozen=True, slots=True)
class QuestionItem:
    """A question about a session: "Book club, 2 hours, May 2, 2026", and the coordinator's words.

    ``changes`` are the corrections that are proposed (label, what it is, what it would be).
    """

    session: str
    asked_by: str
    text: str
    changes: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryQuestionMail:
    """Asks a person about sessions that they logged; nothing of them changes by itself."""

    kind: ClassVar[str] = "entry-question"
    subject: str
    greeting_name: str
    headline: str
    intro: str
    items: tuple[QuestionItem, ...]
    action: Action
    why: str


@dataclass(frozen=True, slots=True)
class NewRequestMail:
    """Tells a coordinator of a request that waits for a decision.

    ``rows`` are who requests what, ``reason`` is the endorsee's own.
    """

    kind: ClassVar[str] = "new-request"
    subject: str
    greeting_name: str
    headline: str
    applicant: str
    rows: tuple[Row, ...]
    reason: str
    action: Action
    why: str


@dataclass(frozen=True, slots=True)
class SessionItem:
    """A session that waits for an answer: when, how long ("1.5 hours"), what it was called."""

    day: str
    hours: str
    title: str
    provider: str


@dataclass(frozen=True, slots=True)
class SessionMail:
    """Asks a supervisee whether what a provider has logged is right; again after some days.

    ``headline`` is the news in one sentence; ``items`` are all that it is about.
    """

    kind: ClassVar[str] = "session"
    subject: str
    greeting_name: str
    headline: str
    intro: str
    items: tuple[SessionItem, ...]
    action: Action
    why: str
    unsubscribe_url: str


@dataclass(frozen=True, slots=True)
class MailingMail:
    """What a coordinator wrote to one person, alone or as one of many.

    ``intro`` is the news of the template (empty: none). ``paragraphs`` are the coordinator's own
    words, each as its lines, and ``sections`` what is missing. ``signature`` has the sender's name
    and association. With ``choose_url`` people can switch this kind of mail off.
    """

    kind: ClassVar[str] = "mailing"
    subject: str
    greeting_name: str
    headline: str
    intro: str
    paragraphs: tuple[tuple[str, ...], ...]
    sections: tuple[Section, ...]
    action: Action | None
    signature: tuple[str, ...]
    why: str
    choose_url: str = ""


@dataclass(frozen=True, slots=True)
class AddressMail:
    """About a person's email address: ``code`` confirms it (empty: there is none to type).

    ``action`` is left out where there is nothing to do, ``quiet`` says what to do about a mistake.
    """

    kind: ClassVar[str] = "address"
    subject: str
    greeting_name: str
    headline: str
    text: str
    quiet: str
    why: str
    code: str = ""
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class WelcomeMail:
    """The first email to an endorsee whom a coordinator added.

    ``due`` says by when what is needed ("Due December 31, 2026"), and ``rows`` what, both empty if
    nothing is due; ``sign_in`` says how to sign in, and ``contact`` whom to write to.
    """

    kind: ClassVar[str] = "welcome"
    subject: str
    greeting_name: str
    headline: str
    intro: str
    due: str
    rows: tuple[Row, ...]
    action: Action
    sign_in: str
    contact: str
    why: str


@dataclass(frozen=True, slots=True)
class SignInMail:
    """A code to type and a link to open; both stop working after ``minutes``."""

    kind: ClassVar[str] = "sign-in"
    code: str
    url: str
    minutes: int = 10


@dataclass(frozen=True, slots=True)
class ProbeMail:
    """A message that only shows that mail arrives; ``sent_at`` as it is written to people."""

    kind: ClassVar[str] = "test"
    sent_at: str


@dataclass(frozen=True, slots=True)
class ForwardedMail:
    """An email that came back from a person's first address, for the second one.

    ``original`` is its subject, ``paragraphs`` its text, each as its lines.
    """

    kind: ClassVar[str] = "forwarded"
    subject: str
    greeting_name: str
    headline: str
    intro: str
    original: str
    paragraphs: tuple[tuple[str, ...], ...]
    action: Action
    why: str


AnyMail = (
    NoticesMail
    | AddressMail
    | DigestMail
    | ReferenceMail
    | RequestMail
    | NewRequestMail
    | EntryQuestionMail
    | SessionMail
    | MailingMail
    | ForwardedMail
    | SignInMail
    | WelcomeMail
    | ProbeMail
)


def unsubscribe_headers(url: str) -> dict[str, str]:
    """One-click unsubscribing by RFC 8058: mail programs POST to ``url``; its GET only asks."""
    return {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
