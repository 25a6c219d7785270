"""Typesets one document in a process of its own: `python -m tracker.exports.typesetting`.

typst keeps what it has worked with in memory, so it does not run in the process that serves pages.
This one ends after a single PDF, and cannot take more memory or time than its limits.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Literal

import typst

# Of addresses, of which less is in use: a transcript of a thousand sessions takes 116 MB, and half
# a second.
MOST_BYTES = 512 * 1024 * 1024
MOST_CPU_SECONDS = 15
_NO_GLYPH = "could not be displayed"


def typeset(folder: Path, name: str, content: str, printed_at: int) -> bytes:
    """The PDF of the template ``name`` with its content as JSON.

    ``printed_at`` is in seconds since 1970.
    """

    def compile_as(standard: Literal["ua-1"] | None) -> bytes:
        return typst.compile(
            folder / f"{name}.typ",
            root=folder,
            format="pdf",
            sys_inputs={name: content},
            pdf_standards=standard,
            timestamp=printed_at,
        )

    try:
        # The accessible kind of PDF, which also refuses what a screen reader could not read.
        return compile_as("ua-1")
    except typst.TypstError as error:
        if _NO_GLYPH not in str(error):
            raise
        # No font has the letters of some name: boxes are shown for them, with the right text
        # beneath. Everything else is still tagged.
        return compile_as(None)


def main() -> None:
    """Read what to typeset as JSON, and write the PDF."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS))
    wanted = json.load(sys.stdin)
    document = wanted["name"], wanted["content"]
    body = typeset(Path(wanted["folder"]), *document, wanted["printed_at"])
    sys.stdout.buffer.write(body)


if __name__ == "__main__":
    main()
