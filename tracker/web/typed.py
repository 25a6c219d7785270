"""What was typed into a form, for endpoints that are not asynchronous themselves."""

from typing import Annotated

from fastapi import Depends, Path, Request
from starlette.datastructures import FormData

# Larger ids no database of ours has: such a page is absent, not an error of the database.
_LARGEST_ID = 2**31 - 1


async def typed(request: Request) -> FormData:
    """The texts of a posted form; files are none of ours and are left out."""
    async with request.form() as form:
        return FormData([(k, v) for k, v in form.multi_items() if isinstance(v, str)])


Typed = Annotated[FormData, Depends(typed)]
RowId = Annotated[int, Path(ge=1, le=_LARGEST_ID)]


def text_of(form: FormData, name: str) -> str:
    """One field as typed; empty where it is absent."""
    return str(form.get(name, ""))
