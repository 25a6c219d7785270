"""The sentence for each reason why a service refuses: the same on pages, in the API, and in files."""

from collections.abc import Callable, Mapping
from typing import Any

from tracker.formatting import format_cycle_span, format_date

Facts = Mapping[str, Any]
# By the code of `services.context.Refusal`; each is given the refusal's facts.
_SENTENCES: dict[str, Callable[[Facts], str]] = {
    "cycle-closed": lambda facts: (
        f"{format_cycle_span(facts['starts_on'], facts['ends_on'])} is closed at "
        f"{facts['association']}: its grace period ended on {format_date(facts['grace_ends_on'])}. "
        f"If something must be corrected, ask your {facts['association']} coordinator"
    ),
    # Membership terms, leave, and extensions
    "ends-before-start": lambda facts: (
        f"The last day must be {format_date(facts['starts_on'])} or later"
    ),
    "organization-not-accepted": lambda _: "Choose an organization from the list",
    "membership-too-long": lambda facts: f"A term can be at most {facts['years']} years long",
    "membership-overlaps": lambda facts: (
        f"You already have a {facts['organization']} term from {format_date(facts['starts_on'])} "
        f"to {format_date(facts['ends_on'])}. Terms cannot overlap"
    ),
    "leave-before-endorsement": lambda facts: (
        f"This leave ends before your endorsement began on {format_date(facts['starts_on'])}"
    ),
    "leave-in-closed-cycle": lambda facts: (
        f"{format_cycle_span(facts['starts_on'], facts['ends_on'])} closed on "
        f"{format_date(facts['grace_ends_on'])}, so leave that ends in it no longer changes "
        "anything. Ask your coordinator"
    ),
    "endorsement-not-yours": lambda _: "Choose an endorsement",
    "renewal-not-yours": lambda _: "Choose a renewal",
    "due-date-not-later": lambda facts: (
        f"The new due date must be after the current one, {format_date(facts['due_on'])}"
    ),
    "request-open": lambda _: (
        "You already have an open request of this kind. Withdraw it before you send another"
    ),
    "reason-missing": lambda _: "Enter a short reason",
    "answer-missing": lambda _: "Enter a short reason. It is sent to the endorsee by email",
    "text-too-long": lambda facts: f"Use at most {facts['limit']} characters",
    "request-decided": lambda _: "This request has already been decided or withdrawn",
    # Profiles
    "time-zone-unknown": lambda _: "Choose a time zone from the list",
    "email-invalid": lambda _: "Enter an email address, like name@example.org",
    "email-is-first": lambda _: "That is already your first address. Enter a different one",
    "email-is-second": lambda _: "That is already your second address",
    "email-taken": lambda _: "This address can't be used, because it now belongs to another person",
}


def format_refusal(code: str, facts: Facts) -> str:
    """One sentence in plain words: what is wrong, and what would be right."""
    return _SENTENCES[code](facts)
