"""Who calls: a token of an association, and what it may do."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection

from tracker.records.api.api_answers import forget_answers
from tracker.records.api.api_tokens import Caller, find_caller, note_use
from tracker.records.store.engine import reading
from tracker.web.frame.problems import Problem
from tracker.web.frame.site import Instant, TheSite

_ASK_FOR_TOKEN = {"WWW-Authenticate": "Bearer"}
_bearer = HTTPBearer(auto_error=False, description="A token of the association (`tracker token`)")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def caller(site: TheSite, at: Instant, given: Credentials) -> Caller:
    """The program that calls; refused with 401 without a valid token."""
    found = None
    if given is not None:
        with reading(site.engine) as connection:
            found = find_caller(connection, given.credentials, at)
    if found is None or found.association not in site.books.associations:
        words = "Send a valid token: `Authorization: Bearer ert_…`. Your association makes it."
        raise Problem(401, words, headers=_ASK_FOR_TOKEN)
    today = site.today(found.association, at)
    if found.last_used_on != today:

        def first_of_the_day(connection: Connection) -> None:
            """Note the use, and tidy up: once a day is enough for both."""
            note_use(connection, found.token_id, today)
            forget_answers(connection, found.token_id, at)

        site.writer.run(first_of_the_day)
    return found


def _may(scope: str) -> Callable[..., Caller]:
    def check(who: Annotated[Caller, Depends(caller)]) -> Caller:
        """Who calls, if the token has the scope; else 403."""
        if scope not in who.scopes:
            raise Problem(403, f"This token may not do that: it lacks the scope {scope}.")
        return who

    return check


ReadsStandings = Annotated[Caller, Depends(_may("standings:read"))]
ReadsEntries = Annotated[Caller, Depends(_may("entries:read"))]
WritesEntries = Annotated[Caller, Depends(_may("entries:write"))]
