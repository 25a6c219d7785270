"""Reads a form for a session as it was sent, new or changed, and does what its side buttons say."""

from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from tracker.records.entries.entry_writes import Author, Content
from tracker.rules.explain import LoggedEntry
from tracker.web.forms.typed import Posted
from tracker.web.forms.typed_date import say_date
from tracker.web.frame.site import Site
from tracker.web.hours.content import read_content
from tracker.web.hours.form_page import Besides
from tracker.web.hours.form_setting import FormSetting
from tracker.web.hours.provider_field import name_provider
from tracker.web.hours.removing import NOT_HERE, remove_chosen
from tracker.web.hours.sent import Sent, sent_in


class Filled(NamedTuple):
    """A form as it was sent; ``content`` is None with its problems, or where it is not done yet."""

    setting: FormSetting
    sent: Sent
    content: Content | None


def read_form(connection: Connection, setting: FormSetting, posted: Posted) -> Filled:
    """The form as typed, and what it says.

    "Today" and "Remove" send the form, too: what is typed so far is then not judged.
    """
    sent = sent_in(posted.texts)
    if "today" in posted.texts:
        sent.texts |= say_date(setting.today)
    if "today" in posted.texts or "remove" in posted.texts:
        return Filled(setting, sent, None)
    name = partial(name_provider, connection, setting)
    return Filled(setting, sent, read_content(sent, setting, name))


def do_aside(
    site: Site, author: Author, posted: Posted, editing: LoggedEntry | None = None
) -> Besides | None:
    """What the page shows after "Today" or "Remove"; None after any other button."""
    if "today" in posted.texts:
        return Besides(editing, focus="hours")
    if "remove" in posted.texts:
        name = remove_chosen(site, author, posted)
        return Besides(editing, notice=f"{name} is removed." if name else NOT_HERE)
    return None
