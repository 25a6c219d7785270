"""`python -m tests.pictures OUT [--only WORD] [--readme]`."""

import argparse
import sys
from pathlib import Path

from tests.conftest import find_chromium
from tests.pictures.readme import photograph_readme
from tests.pictures.tour import photograph_all


def main() -> None:
    """Photograph what is asked for, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures")
    parser.add_argument("out", type=Path, nargs="?", help="the folder for one picture a page")
    parser.add_argument("--only", default="", help="only pictures with this in their name")
    parser.add_argument("--readme", action="store_true", help="renew the pictures in docs, too")
    chosen = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        parser.error("no Chromium is installed: see `make browser`")
    written = 0
    if chosen.out:
        for name in photograph_all(chromium, chosen.out, chosen.only):
            written += 1
            sys.stdout.write(f"\r{written} pictures, last {name:60}")
            sys.stdout.flush()
    if chosen.readme:
        for name in photograph_readme(chromium, chosen.only):
            sys.stdout.write(f"\ndocs/pictures/{name}")
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
