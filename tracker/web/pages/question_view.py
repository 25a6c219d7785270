"""A question about a session with its messages, as the coordinator and the person see it."""

from collections.abc import Mapping
from typing import Any

from tracker.notifications.entry_mail import list_proposed_changes
from tracker.services.entry_questions import QuestionThread
from tracker.web.time_zones import format_instant


def view_thread(thread: QuestionThread, names: Mapping[str, str], zone: str) -> dict[str, Any]:
    """A question and its messages; ``names`` has those who wrote, by the labels of actors."""
    question = thread.question
    messages = [
        {
            "by": names.get(message.written_by, message.written_by),
            "at": format_instant(message.written_at, zone),
            "text": message.text,
            "is_answer": message.is_answer,
        }
        for message in thread.messages
    ]
    changes = list_proposed_changes(thread.entry, thread.proposal) if thread.proposal else []
    return {
        "id": question.id,
        "association": question.association,
        "state": question.state,
        "messages": messages,
        "changes": changes,
        "has_proposal": thread.proposal is not None,
        "accepted": question.accepted,
        "is_outdated": thread.is_outdated,
    }
