"""Removes a file from a form at once; from the entry that it changes, once that is saved."""

from fastapi import HTTPException

from tracker.records.entries.entry_writes import Author
from tracker.records.evidence.evidence import remove_file
from tracker.web.forms.typed import Posted, text_of
from tracker.web.frame.site import Site
from tracker.web.hours.uploads import folder_of

_DIGITS = 9
# Pressed twice, or on an old page.
NOT_HERE = "Nothing was removed: that file is gone already, or belongs to a saved entry."


def unwanted(posted: Posted) -> list[int]:
    """The files of the entry that are to go when it is saved, as the form says."""
    chosen = map(str, posted.texts.getlist("without"))
    return [int(one) for one in chosen if _is_number(one)]


def remove_chosen(site: Site, author: Author, posted: Posted) -> str:
    """Remove the file whose button was pressed; its name, empty where there is none such.

    Files of entries stay: to leave an entry as it is leaves it its proof.
    """
    folder, number = folder_of(site), text_of(posted.texts, "remove")
    if folder is None or not _is_number(number):
        raise HTTPException(404)
    removed = site.writer.run(lambda connection: remove_file(connection, author, int(number), None))
    if removed is None:
        # Pressed twice: it is gone all the same.
        return ""
    folder.remove([removed.stored_as])
    return removed.name


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
