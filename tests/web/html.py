"""A page taken apart: its elements with their attributes, their text, and what they stand in."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"input", "link", "meta", "br", "hr", "img", "col", "wbr"}
# Their end tag may be left out.
_LOOSE = {"option", "li", "p", "dt", "dd"}


@dataclass(eq=False)
class Element:
    """One element; ``inside`` are those that it stands in, the nearest last."""

    tag: str
    attributes: dict[str, str]
    inside: list["Element"]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All words in it, with single spaces."""
        return " ".join("".join(self.parts).split())

    def get(self, name: str) -> str:
        """An attribute; empty if there is none."""
        return self.attributes.get(name, "")


class HtmlPage(HTMLParser):
    """The elements of a page, in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._open and tag in _LOOSE and self._open[-1].tag == tag:
            self._open.pop()
        element = Element(tag, {name: value or "" for name, value in attrs}, [*self._open])
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if any(one.tag == tag for one in self._open):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.parts.append(data)

    def all(self, *tags: str, **attributes: str) -> list[Element]:
        """Those of one of these tags (any, if none is given) with these attributes."""
        return [
            one
            for one in self.elements
            if (not tags or one.tag in tags)
            and all(one.get(name.strip("_")) == value for name, value in attributes.items())
        ]
