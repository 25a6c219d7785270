"""Removes a file from a form, or from the entry that it changes."""

from fastapi import HTTPException

from tracker.records.entry_writes import Author
from tracker.records.evidence import remove_file
from tracker.web.site import Site
from tracker.web.typed import Posted, text_of
from tracker.web.uploads import folder_of

_DIGITS = 9


def remove_chosen(site: Site, author: Author, posted: Posted, editing: int | None) -> str:
    """Remove the file whose button was pressed; its name, empty where there is none such.

    ``editing`` is the entry that the form changes: files of other entries stay.
    """
    folder, number = folder_of(site), text_of(posted.texts, "remove")
    if not (number.isascii() and number.isdigit()) or len(number) > _DIGITS or folder is None:
        raise HTTPException(404)
    removed = site.writer.run(
        lambda connection: remove_file(connection, author, int(number), editing)
    )
    if removed is None:
        # Pressed twice: it is gone all the same.
        return ""
    folder.remove([removed.stored_as])
    return removed.name
