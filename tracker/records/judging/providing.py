"""Who provides RSC, so that they may log sessions for those whom they supervise."""

from datetime import datetime, timedelta

from tracker.records.schema.tables import METADATA

_ENTRY = METADATA.tables["entry"]
_GROUP_SESSION = METADATA.tables["group_session"]
_PERSON = METADATA.tables["person"]
_SPAN = METADATA.tables["provider_span"]
# Sessions are sometimes written down long after they were held.
_LATELY = timedelta(days=365)

# Of a row ``p`` of `person`: their sessions count under some rule, or did lately. Or they have
# logged one for others: what is unanswered stays theirs to settle. For `quick.run`.
PROVIDES_RSC = """(
    (p.provides_rsc OR EXISTS (SELECT 1 FROM entry e WHERE e.provider_id = p.id))
    AND EXISTS (SELECT 1 FROM provider_span v
        WHERE v.provider_id = p.id AND v.ends_on >= ? AND v.starts_on <= ?)
    OR EXISTS (SELECT 1 FROM group_session g WHERE g.provider_id = p.id)
)"""


def providing_at(now: datetime) -> tuple[str, str]:
    """The parameters of `PROVIDES_RSC` at an instant."""
    return (now.date() - _LATELY).isoformat(), now.date().isoformat()
