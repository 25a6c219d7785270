"""Lists come in pages, by id: what is added while one reads is neither missed nor seen twice."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

USUAL, MOST = 50, 200
LARGEST_ID = 2**31 - 1


class PageQuery(BaseModel):
    """What every list can be asked; a parameter that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(USUAL, ge=1, le=MOST, description="How many to give at most.")
    after: int = Field(
        0, ge=0, le=LARGEST_ID, description="Give those that follow this id (`next` says it)."
    )


def next_page(request: Request, query: PageQuery, ids: Sequence[int]) -> str | None:
    """The address of the page after this one; None on the last.

    ``ids`` were read for this page, and one more to see whether there is another.
    """
    if len(ids) <= query.limit:
        return None
    asked: dict[str, Any] = {**request.query_params, "after": ids[query.limit - 1]}
    return f"{request.url.path}?{urlencode(asked)}"
