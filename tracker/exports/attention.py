"""What needs coordinators' attention, as rows for programs and spreadsheets."""

from typing import NamedTuple

from sqlmodel import Session

from tracker.formatting import use_locale
from tracker.notifications.attention_text import describe_attention
from tracker.rules.model import Rulebook
from tracker.services.dashboard import list_attention
from tracker.services.evaluation import DayOf


class AttentionRow(NamedTuple):
    """One thing to do; ``url`` is the address of the page to do it on."""

    association: str
    kind: str
    name: str
    category: str
    reason: str
    todo: str
    url: str


def attention_rows(
    session: Session, rulebook: Rulebook, day_of: DayOf, base_url: str
) -> list[AttentionRow]:
    """What needs attention at an association, the most urgent first, in its locale."""
    today, rows = day_of(rulebook.id), []
    with use_locale(rulebook.locale):
        for one in list_attention(session, rulebook.id, today):
            text = describe_attention(one, today)
            about = (rulebook.id, one.kind.value, one.name, one.category)
            rows.append(AttentionRow(*about, text.reason, text.todo, f"{base_url}{text.path}"))
    return rows
