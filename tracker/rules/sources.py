"""What a rulebook says of its sources: documents, what they recommend, how they are read."""

from typing import Self

from pydantic import Field, model_validator

from tracker.rules.terms import Day, Key, Part, Text


class Source(Part):
    """Where a rule stands: the document's key in this rulebook, and the section within it."""

    document: Key
    section: Text


class Document(Part):
    """A source document: ``file`` is how its file name begins.

    ``sections`` are its headings and table rows in its own order. Where they are given, whatever
    cites the document cites one of them.
    """

    file: Text
    title: Text
    sections: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_each_section_once(self) -> Self:
        for number, section in enumerate(self.sections):
            if section in self.sections[:number]:
                message = f"the section {section!r} stands there more than once"
                raise ValueError(message)
        return self


class Advice(Part):
    """What a source recommends or describes, and nobody must do: shown, never judged.

    ``hours`` are what is *typical*. ``requirement`` is the id beside which it is shown.
    """

    requirement: Key
    categories: tuple[Key, ...] = Field(min_length=1)
    says: Text
    hours: float | None = Field(strict=True, default=None, gt=0, le=1000)
    source: Source


class Interpretation(Part):
    """A reading taken where a source is silent or ambiguous.

    Without ``document`` it is about the section of that name everywhere; without ``categories``
    about all of them.
    """

    id: Key
    document: Key | None = None
    section: Text
    categories: tuple[Key, ...] = ()
    says: Text
    readings: tuple[Text, ...] = Field(min_length=1)
    taken: Text
    change: str = ""
    since: Day
