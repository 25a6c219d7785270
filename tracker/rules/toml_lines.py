"""On which line of a TOML file a key is. Python's own reader keeps no lines."""

import re
from collections import Counter

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]")
_KEY = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w.-])+)\s*=""")
_NAME = re.compile(r"""\"([^"]*)\"|'([^']*)'|([^.\s"']+)""")


class TomlLines:
    """The lines of headers and keys, counted from one.

    Keys within braces have the line of the key that holds them.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        tables: Counter[tuple[str, ...]] = Counter()
        within = ""
        for number, line in enumerate(text.split("\n"), 1):
            if header := _HEADER.match(line):
                table = _find_table(header[2], tables, is_list=header[1] == "[[")
                self._lines.setdefault(table, number)
                within = f"{table}."
            elif key := _KEY.match(line):
                self._lines.setdefault(within + ".".join(_list_names(key[1])), number)

    def find(self, key: str) -> int | None:
        """The line of ``requirements[2].values[1].hours``, or of the nearest table around it."""
        while key:
            if line := self._lines.get(key) or self._lines.get(f"{key}[1]"):
                return line
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return None


def _find_table(header: str, tables: Counter[tuple[str, ...]], *, is_list: bool) -> str:
    """The path of a header: a table within a list is in the list's last item."""
    names = _list_names(header)
    parts: list[str] = []
    for place, name in enumerate(names, 1):
        path = (*parts, name)
        if is_list and place == len(names):
            tables[path] += 1
        parts.append(f"{name}[{tables[path]}]" if tables[path] else name)
    return ".".join(parts)


def _list_names(key: str) -> list[str]:
    """The names in a key with periods between them, of which each may be in quotes."""
    return ["".join(parts) for parts in _NAME.findall(key)]
