"""Changed rulebooks that coordinators upload to see what they would do. None is ever in force."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlmodel import Session, col, delete, select

from tracker.db.drafts import RulebookDraft
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.desk_access import check_association

MAX_BYTES = 512 * 1024
_KEPT_FOR = timedelta(days=30)
_LONGEST_NAME = 120


def decode_rulebook(content: bytes) -> str:
    """The text of an uploaded rulebook. Raises Refused if it can't be one."""
    if not content:
        raise Refused(Refusal("files", "rulebook-empty"))
    if len(content) > MAX_BYTES:
        raise Refused(Refusal("files", "rulebook-too-large", {"limit": MAX_BYTES}))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(Refusal("files", "rulebook-not-text", {"byte": error.start})) from error


def forget_rulebook_drafts(session: Session, now: datetime) -> int:
    """Delete drafts that were uploaded more than 30 days ago; return how many."""
    is_old = col(RulebookDraft.uploaded_at) < now - _KEPT_FOR
    return session.exec(delete(RulebookDraft).where(is_old)).rowcount


def store_draft(context: ServiceContext, association: str, file_name: str, text: str) -> int:
    """Keep a rulebook that was checked, and forget old ones; return its id.

    Raises NotFound for anybody but a coordinator of the association.
    """
    check_association(context.actor, association)
    session = context.session
    forget_rulebook_drafts(session, context.now)
    draft = RulebookDraft(
        association=association,
        file_name=file_name[:_LONGEST_NAME],
        content=text,
        uploaded_at=context.now,
        uploaded_by=context.actor.label,
    )
    session.add(draft)
    session.flush()
    return draft.id


def find_draft(
    session: Session, draft_id: int, associations: Collection[str]
) -> RulebookDraft | None:
    """An uploaded rulebook of one of these associations; None if there is none (any more)."""
    query = select(RulebookDraft).where(
        RulebookDraft.id == draft_id, col(RulebookDraft.association).in_(associations)
    )
    return session.exec(query).first()
