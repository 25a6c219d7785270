"""Deletes what nobody needs any more, each night. deploy/README.md has the same list in words."""

from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session

from tracker.importer.plan_states import forget_old_imports
from tracker.services.api_tokens import forget_answers
from tracker.services.browser_sessions import forget_ended_sessions
from tracker.services.desk_changes import forget_old_rows
from tracker.services.desk_tasks import forget_old_tasks
from tracker.services.mailings import forget_old_drafts
from tracker.services.removals import forget_old_deletions
from tracker.services.rulebook_drafts import forget_rulebook_drafts
from tracker.services.security_events import forget_old_events
from tracker.services.selections import forget_selections
from tracker.services.sent_texts import forget_old_texts
from tracker.services.sign_in import forget_sign_ins, forget_tries
from tracker.services.snoozes import forget_ended_snoozes


def _forget_all_answers(session: Session, now: datetime) -> int:
    return forget_answers(session, None, now)


# The kind, for people who read the counts, and what deletes it.
KINDS: dict[str, Callable[[Session, datetime], int]] = {
    "sessions of browsers that have ended": forget_ended_sessions,
    "sign-in codes that expired a day ago": forget_sign_ins,
    "sign-in attempts of more than a day ago": forget_tries,
    "deletions that can't be undone any more": forget_old_deletions,
    "selections of people of more than a day ago": forget_selections,
    "answers of the API of more than 7 days ago": _forget_all_answers,
    "uploaded lists: unused for 7 days, applied for 90": forget_old_imports,
    "prepared files of more than 7 days ago, and what is left of long work after 90": (
        forget_old_tasks
    ),
    "rows of changes on the desk that can't be undone any more": forget_old_rows,
    "drafts of mailings of more than 30 days ago": forget_old_drafts,
    "drafts of rulebooks of more than 30 days ago": forget_rulebook_drafts,
    "snoozes that ended 30 days ago": forget_ended_snoozes,
    "security events of more than a year ago": forget_old_events,
    "texts of emails of more than a year ago": forget_old_texts,
}


def purge(session: Session, now: datetime) -> dict[str, int]:
    """Delete what is older than it is kept, as of ``now``; how many rows of each kind."""
    return {kind: forget(session, now) for kind, forget in KINDS.items()}
