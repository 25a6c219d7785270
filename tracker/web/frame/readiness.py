"""Looks whether the database can be used, without ever waiting for it for long."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from tracker.records.store.engine import SchemaError, newest_version, schema_version
from tracker.web.frame.one_look import OneLook

_LOG = structlog.get_logger()
_WITHIN_SECONDS = 3.0
_NO_ANSWER = "the database does not answer"


class Readiness:
    """Whether the site can work with the database at ``url``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._looking = OneLook("readiness", self._found)

    async def look(self) -> str:
        """What stands in the way, in words; nothing where all is well."""
        try:
            return await self._looking.found(_WITHIN_SECONDS)
        except (TimeoutError, RuntimeError) as error:
            _LOG.warning("not ready", error=type(error).__name__)
            return _NO_ANSWER

    def _found(self) -> str:
        try:
            version = schema_version(self._url)
        except (SQLAlchemyError, SchemaError) as error:
            _LOG.warning("not ready", error=type(error).__name__)
            return _NO_ANSWER
        if version != newest_version():
            return "the database has another schema: see `tracker migrate`"
        return ""
