"""Asking for codes and typing them, as often as the settings allow, from whichever process."""

from datetime import datetime, timedelta
from math import ceil

from fastapi import HTTPException, Request
from sqlalchemy import Connection

from tracker.records.sign_in.sign_in_limits import Limit, client_of, count_try
from tracker.web.frame.site import Site

_ASKED_TOO_OFTEN = (
    "Too many codes were asked for with this address or from this connection. Use the newest mail "
    "that you have from us, or wait"
)
_TYPED_TOO_OFTEN = "Too many codes were typed from this connection. Wait"
_SECONDS_IN_MINUTE = 60


def count_ask(site: Site, request: Request, email: str, at: datetime) -> None:
    """Count that somebody asks for a code; raises 429, alike for every address.

    Nothing here depends on whose address it is.
    """
    limits = site.settings.sign_in
    counted = [
        Limit("client", _client(request), limits.asks_per_client),
        Limit("address", email, limits.asks_per_address),
    ]
    wait = site.writer.run(lambda connection: count_try(connection, "ask", counted, at))
    if wait is not None:
        raise too_often(wait, _ASKED_TOO_OFTEN)


def count_code(
    site: Site, connection: Connection, request: Request, at: datetime
) -> timedelta | None:
    """Count that somebody types a code; how long to wait where that is one too many.

    Each address has few codes an hour and each code few tries, so clients are all that is left.
    """
    limit = Limit("client", _client(request), site.settings.sign_in.codes_per_client)
    return count_try(connection, "code", [limit], at)


def too_often(wait: timedelta, words: str = _TYPED_TOO_OFTEN) -> HTTPException:
    """The answer to one try too many: 429, and how long to wait."""
    seconds = ceil(wait.total_seconds())
    minutes = ceil(seconds / _SECONDS_IN_MINUTE)
    left = f"{minutes} minutes" if minutes != 1 else "a minute"
    return HTTPException(429, f"{words} {left}.", {"Retry-After": str(seconds)})


def _client(request: Request) -> str:
    # Behind a proxy that is trusted, uvicorn has put in the visitor's own address.
    return client_of(request.client.host) if request.client else ""
