"""The id of a request, which its log lines, its events, and its answer have in common."""

from structlog.contextvars import get_contextvars


def current_request_id() -> str:
    """The id of the request that is being answered; empty outside of a request."""
    return str(get_contextvars().get("request_id", ""))
