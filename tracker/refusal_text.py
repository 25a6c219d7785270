"""The sentence for each reason to refuse something, for pages, the API, and imports."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tracker.formatting import (
    MINUTES_IN_HOUR,
    format_alternatives,
    format_count,
    format_cycle_span,
    format_date,
    format_hours_with_unit,
    format_size,
)

Facts = Mapping[str, Any]
# By the code of `services.context.Refusal`; each is given the refusal's facts.
_SENTENCES: dict[str, Callable[[Facts], str]] = {
    "cycle-closed": lambda facts: (
        f"{format_cycle_span(facts['starts_on'], facts['ends_on'])} is closed at "
        f"{facts['association']}: its grace period ended on {format_date(facts['grace_ends_on'])}. "
        f"If something must be corrected, contact your {facts['association']} coordinator."
    ),
    # Entries
    "activity-required": lambda _: "Choose reflective supervision or training",
    "day-in-future": lambda facts: (
        f"The session date must be today ({format_date(facts['today'])}) or earlier"
    ),
    "day-too-long-ago": lambda facts: f"The year must be {facts['first_year']} or later",
    "day-is-full": lambda facts: (
        f"You have already logged {format_hours_with_unit(facts['logged'])} on "
        f"{format_date(facts['held_on'])}. A day has only 24 hours."
    ),
    "minutes-out-of-range": lambda _: "The hours must be more than 0 and at most 24",
    "daily-limit-reached": lambda facts: (
        f"You have reached the limit of {facts['limit']} sessions in one day. "
        "Please continue tomorrow."
    ),
    "title-required": lambda _: "Enter the title of the training",
    "provider-required": lambda _: "Enter the name of the RSC provider",
    "provider-forbidden": lambda _: "A training has no RSC provider. Leave the provider empty.",
    "provider-twice": lambda _: (
        "Enter the RSC provider only once, either as a person on file or as a name"
    ),
    "provider-is-self": lambda _: (
        "You can't list yourself as the RSC provider. Enter the name of the person who provided it."
    ),
    "provider-not-offered": lambda _: (
        "This person is not among your RSC providers. Enter the provider's name instead."
    ),
    "format-forbidden": lambda _: (
        "Only an RSC session can be individual or group. Leave the format empty for a training."
    ),
    "format-unknown": lambda _: "The format must be individual or group",
    "topic-unknown": lambda facts: _format_unknown_topic(facts["topic"], facts["allowed"]),
    "topic-minutes-required": lambda facts: f"The hours about {facts['topic']} must be more than 0",
    "topics-exceed-session": lambda facts: _format_topics_sum(facts["topics"], facts["minutes"]),
    "form-already-saved": lambda facts: (
        f"This form was already saved, as {format_hours_with_unit(facts['minutes'])} on "
        f"{format_date(facts['held_on'])}. Save again to add a second session."
    ),
    "entry-changed-meanwhile": lambda facts: (
        "This entry has changed since you opened it. It is now "
        f"{format_hours_with_unit(facts['minutes'])} on {format_date(facts['held_on'])}. "
        "Save again to replace it."
    ),
    "person-not-endorsed": lambda facts: (
        f"No one with this email address has an endorsement from {facts['association']} "
        "or has applied for one"
    ),
    # Files
    "files-not-accepted": lambda _: "You can't upload files on this site. Save without them.",
    "file-empty": lambda facts: f"{facts['name']} is empty. Choose it again.",
    "file-too-large": lambda facts: (
        f"{facts['name']} is {format_size(facts['size'])}. "
        f"The limit is {facts['limit_mb']} MB per file."
    ),
    "file-type-not-accepted": lambda facts: (
        f"{facts['name']} is not a PDF, JPEG, PNG, or HEIC file. Save it as one of these first."
    ),
    "file-not-stored": lambda facts: (
        f"{facts['name']} could not be stored. Save without it now, and add it later."
    ),
    "file-limit-reached": lambda facts: (
        f"{facts['name']} was not added. An entry can have at most {facts['limit']} files."
    ),
    "file-quota-exceeded": lambda facts: (
        f"{facts['name']} ({format_size(facts['size'])}) was not added. "
        f"You have {format_size(facts['left'])} of {format_size(facts['quota'])} left, not "
        "counting files from closed cycles. Remove files you no longer need, or save without it."
    ),
    # Membership terms, leave, and extensions
    "ends-before-start": lambda facts: (
        f"The last day must be {format_date(facts['starts_on'])} or later"
    ),
    "organization-not-accepted": lambda _: "Choose an organization from the list",
    "membership-too-long": lambda facts: f"A term can be at most {facts['years']} years long",
    "membership-overlaps": lambda facts: (
        f"You already have a {facts['organization']} term from {format_date(facts['starts_on'])} "
        f"to {format_date(facts['ends_on'])}. Terms cannot overlap."
    ),
    "leave-before-endorsement": lambda facts: (
        f"This leave ends before your endorsement began on {format_date(facts['starts_on'])}"
    ),
    "leave-in-closed-cycle": lambda facts: (
        f"{format_cycle_span(facts['starts_on'], facts['ends_on'])} closed on "
        f"{format_date(facts['grace_ends_on'])}, so leave that ends in it has no effect. "
        "Contact your coordinator."
    ),
    "endorsement-not-yours": lambda _: "Choose an endorsement",
    "renewal-not-yours": lambda _: "Choose a renewal",
    "due-date-not-later": lambda facts: (
        f"The new due date must be after the current one, {format_date(facts['due_on'])}"
    ),
    "request-open": lambda _: (
        "You already have an open request of this kind. Withdraw it before you send another."
    ),
    "reason-missing": lambda _: "Enter a short reason",
    "answer-missing": lambda _: "Enter a reason. The endorsee gets it by email.",
    "text-too-long": lambda facts: f"Use at most {facts['limit']} characters",
    "request-decided": lambda _: "This request has already been decided or withdrawn",
    # Profiles
    "time-zone-unknown": lambda _: "Choose a time zone from the list",
    "email-invalid": lambda _: "Enter an email address, like name@example.org",
    "email-is-first": lambda _: "That is already your first address. Enter a different one.",
    "email-is-second": lambda _: "That is already your second address",
    "email-taken": lambda _: "You can't use this address because it now belongs to another person",
    # Group sessions
    "members-required": lambda _: "Choose who took part, or enter an email address",
    "member-is-self": lambda facts: (
        f"{facts['email']} is your own address. Enter only the other people's."
    ),
    "too-many-members": lambda facts: f"A session can have at most {facts['limit']} people",
    "group-session-withdrawn": lambda _: "The provider has withdrawn this session",
    "group-session-logged": lambda _: (
        "You have already logged a session with this provider on that day"
    ),
    "own-entry-not-offered": lambda _: "Choose one of your own entries of that day",
    # References
    "referee-name-required": lambda _: "Enter the referee's name",
    "name-looks-like-link": lambda _: "Enter only the name, without a link or an address",
    "own-name-looks-like-link": lambda facts: (
        f"Ask your coordinator to correct your own name, “{facts['name']}”. It is part of the "
        "email and must not look like a link or an address."
    ),
    "referee-is-self": lambda _: "Enter the referee's address. This one is your own.",
    "referee-role-required": lambda _: "Choose who they are to you",
    "referee-role-unknown": lambda _: "Choose one of the roles in the list",
    "referee-waiting": lambda facts: (
        f"You have already named {facts['name']} with this address. "
        "To change the name or role, remove them first."
    ),
    "referee-declined": lambda facts: (
        f"You have named {facts['name']} with this address, and they declined. Name someone else."
    ),
    "referee-received": lambda facts: (
        f"You have named {facts['name']} with this address, and their reference was received. "
        "Name someone else."
    ),
    "too-many-referees": lambda _: (
        "Several people have not answered yet. Remove one of them to name someone else."
    ),
    "referees-daily-limit": lambda facts: (
        f"You have reached the limit of {facts['limit']} referees in one day. "
        "Please name the next one tomorrow."
    ),
    "application-takes-no-referees": lambda facts: (
        f"This application was {facts['state']}, so you can't name more referees"
    ),
    # Applications
    "application-undecided": lambda facts: (
        f"An application for {facts['association']} {facts['category']} was opened on "
        f"{format_date(facts['opened_on'])} and is still undecided. Continue with that one."
    ),
    "application-opened-later": lambda facts: (
        f"An application for {facts['association']} {facts['category']} was opened on "
        f"{format_date(facts['opened_on'])}. Open a new one after that day."
    ),
    "application-decided": lambda facts: (
        f"The application was {facts['state']} on {format_date(facts['decided_on'])}, "
        "and that decision is final"
    ),
    "application-submitted": lambda facts: (
        f"The application was already submitted on {format_date(facts['submitted_on'])}"
    ),
    "before-opening": lambda facts: (
        f"The application was opened on {format_date(facts['opened_on'])}, "
        f"so it can't be {facts['wanted']} on {format_date(facts['day'])}"
    ),
    "before-submission": lambda facts: (
        f"The application was submitted on {format_date(facts['submitted_on'])}, "
        f"so it can't be {facts['wanted']} on {format_date(facts['day'])}"
    ),
    "endorsed-later": lambda facts: (
        f"The same endorsement is on file starting {format_date(facts['starts_on'])}, and one "
        f"starting {format_date(facts['day'])} would overlap it. First enter the earlier period as "
        "an endorsement with an end date."
    ),
}


def format_refusal(code: str, facts: Facts) -> str:
    """What is wrong and how to fix it. Only a text of several sentences ends with a period."""
    return _SENTENCES[code](facts)


def format_length_question(minutes: int) -> str:
    """Asks whether an unusually short or long session is a mistake."""
    if minutes < MINUTES_IN_HOUR:
        return f"Was it only {format_count(minutes, 'minute')}?"
    return f"Was it really {format_hours_with_unit(minutes)}?"


def _format_unknown_topic(topic: str, allowed: Sequence[str]) -> str:
    if not allowed:
        return f"No requirement counts hours about {topic}. Leave the topics empty."
    return f"No requirement counts hours about {topic}. Use {format_alternatives(allowed)}."


def _format_topics_sum(topics: Sequence[str], minutes: int) -> str:
    session = f"the session's {format_hours_with_unit(minutes)}"
    if len(topics) == 1:
        return f"{topics[0]} hours can't be more than {session}"
    return f"The topic hours together can't be more than {session}"
