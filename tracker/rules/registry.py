"""Whether an association has a public registry, and what it says about itself."""

import re
from datetime import date
from typing import Annotated

from pydantic import Field, StrictBool, field_validator

from tracker.addresses import is_address
from tracker.formatting import format_date, format_list
from tracker.rules.requirement import Day, Text
from tracker.rules.strict_model import StrictModel

_MAX_WORDS = 600
ANY_WEBSITE = "*"
# As browsers write it in `Origin`, which is compared whole. Without TLS only on localhost.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN = re.compile(
    rf"(https://({_LABEL}\.)+{_LABEL}|http://(localhost|127\.0\.0\.1))(:[1-9][0-9]{{1,4}})?"
)


class Registry(StrictModel):
    """The public registry of endorsees who agreed to be listed, open from the day ``from``.

    ``says`` stands on top of its pages, with the address ``contact`` for questions.
    ``lists_former``: those who are not endorsed now stay in it, as not currently endorsed, until
    they withdraw; otherwise it leaves them out. ``embed_on`` are the websites, as browsers name
    their origins, that may show it in a frame and whose scripts may read it; ``*`` is any.
    """

    opens_on: Day = Field(alias="from")
    says: Annotated[Text, Field(max_length=_MAX_WORDS)]
    contact: str = ""
    lists_former: StrictBool = False
    embed_on: tuple[str, ...] = ()

    @field_validator("contact")
    @classmethod
    def _contact_is_address(cls, contact: str) -> str:
        if contact and not is_address(contact):
            message = f"{contact!r} is not an email address: write one that the public may use"
            raise ValueError(message)
        return contact

    @field_validator("embed_on")
    @classmethod
    def _embedded_on_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != ANY_WEBSITE and not _ORIGIN.fullmatch(origin):
                message = (
                    f"{origin!r} is not the start of a website's address: write it as "
                    '"https://www.example.org", in lower case and without a path, or "*" for any '
                    "website"
                )
                raise ValueError(message)
        if ANY_WEBSITE in origins and len(origins) > 1:
            message = 'embed_on = ["*"] is any website: write no other beside it'
            raise ValueError(message)
        if len(set(origins)) < len(origins):
            message = "embed_on has a website twice: write it once"
            raise ValueError(message)
        return origins

    def may_embed(self, origin: str) -> bool:
        """Whether scripts of a website may read it; ``origin`` is as the browser sent it."""
        return origin in self.embed_on or (bool(origin) and ANY_WEBSITE in self.embed_on)

    def is_open(self, day: date) -> bool:
        """Whether the public can read it on ``day``."""
        return self.opens_on <= day


def describe_registry(registry: Registry | None) -> list[str]:
    """What the rulebook has about a registry, in sentences; empty without one."""
    if registry is None:
        return []
    former = "stay listed as not currently endorsed" if registry.lists_former else "are left out"
    sentences = [
        f"The public registry is open from {format_date(registry.opens_on)}.",
        "It lists endorsees who agreed to it on their profile.",
        f"Listed people who are not endorsed now {former}.",
        f"Its words: {registry.says}",
    ]
    if registry.contact:
        sentences.append(f"Questions go to {registry.contact}.")
    return [*sentences, describe_embedding(registry)]


def describe_embedding(registry: Registry) -> str:
    """Which websites may show a registry, in a sentence."""
    if registry.embed_on == (ANY_WEBSITE,):
        return "Any website may show it."
    if not registry.embed_on:
        return "No other website may show it."
    return f"It may be shown on {format_list(registry.embed_on)}."
