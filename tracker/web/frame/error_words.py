"""What error pages say: what happened, and what to do next."""

from typing import NamedTuple

_SECONDS_IN_MINUTE = 60
_MINUTES_IN_HOUR = 60
_SOON = "a few minutes"


class ErrorWords(NamedTuple):
    """A page's heading, a sentence or two on what happened, and what to do now."""

    title: str
    happened: str
    next: str


_UNREADABLE = ErrorWords(
    "We could not read that",
    "Something in the address, or in what was sent, is not what this page expects. "
    "Nothing was changed.",
    "Go back in your browser, look whether all is still there, and try again.",
)
_FAILED = ErrorWords(
    "Something went wrong",
    "That is our fault, and it has been noted. Nothing that was saved is lost.",
    "Please try again in a few minutes.",
)
TOO_MANY = ErrorWords(
    "Those are too many files",
    "They are more than we take at once. Nothing was saved.",
    "Go back in your browser, look whether all that you typed is still there, and choose 10 files "
    "at most for an entry.",
)
_WORDS = {
    403: ErrorWords(
        "This was not sent from our own pages",
        "To keep your record safe we take forms from our own pages only. Nothing was changed.",
        "Open the page again from here, and send it once more.",
    ),
    404: ErrorWords(
        "This page is not here",
        "It may have been deleted, or the address may be mistyped.",
        "What you have logged is on your own page.",
    ),
    405: ErrorWords(
        "That cannot be done here",
        "This address shows a page, or takes a form, but not both. Nothing was changed.",
        "Start again from the first page.",
    ),
    413: ErrorWords(
        "That is too large",
        "It is more than we take at once. Nothing was saved.",
        "Go back in your browser, look whether all that you typed is still there, and choose "
        "smaller files or a shorter text: together files may have 32 MB.",
    ),
    429: ErrorWords(
        "That was too often",
        "There is a limit, so that nobody can guess codes or flood mailboxes. Nothing is lost.",
        "Please try again in {wait}.",
    ),
    503: ErrorWords(
        "Too much is going on just now",
        "Somebody else is saving, or many are at once. Nothing was saved.",
        "Please try again in {wait}.",
    ),
}


def words_of(status: int, retry_after: str | None = None) -> ErrorWords:
    """What the page of an HTTP status says; ``retry_after`` is that header, in seconds."""
    words = _WORDS.get(status, _FAILED if status >= 500 else _UNREADABLE)  # noqa: PLR2004
    return words._replace(next=words.next.format(wait=say_wait(retry_after)))


def say_wait(retry_after: str | None) -> str:
    """Seconds as a person would wait them, rounded up: ``2 minutes``, ``an hour``.

    What is not a number of seconds is "a few minutes".
    """
    if not retry_after or not retry_after.isdecimal():
        return _SOON
    minutes = -(-int(retry_after) // _SECONDS_IN_MINUTE)
    if minutes <= 1:
        return "a minute"
    if minutes < _MINUTES_IN_HOUR:
        return f"{minutes} minutes"
    hours = -(-minutes // _MINUTES_IN_HOUR)
    return "an hour" if hours == 1 else f"{hours} hours"
