"""Who provides RSC, so that they may log sessions for those whom they supervise."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, exists
from sqlalchemy.sql import ColumnElement

from tracker.records.tables import METADATA

_ENTRY = METADATA.tables["entry"]
_GROUP_SESSION = METADATA.tables["group_session"]
_PERSON = METADATA.tables["person"]
_SPAN = METADATA.tables["provider_span"]
# Sessions are sometimes written down long after they were held.
_LATELY = timedelta(days=365)

# Of a row of `person`: their sessions count under some rule, or did lately. Or they have logged
# one for others: what is unanswered stays theirs to settle.
PROVIDES_RSC: ColumnElement[bool] = (
    (_PERSON.c.provides_rsc | exists().where(_ENTRY.c.provider_id == _PERSON.c.id))
    & exists().where(
        _SPAN.c.provider_id == _PERSON.c.id,
        _SPAN.c.ends_on >= bindparam("counted_until"),
        _SPAN.c.starts_on <= bindparam("counted_from"),
    )
) | exists().where(_GROUP_SESSION.c.provider_id == _PERSON.c.id)


def providing_at(now: datetime) -> Mapping[str, date]:
    """The parameters of `PROVIDES_RSC` at an instant."""
    return {"counted_until": now.date() - _LATELY, "counted_from": now.date()}
