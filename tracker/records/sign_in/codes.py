"""Codes that a person copies from a mail: short, and hard to misread or mistype."""

import re
import secrets

CODE_LENGTH = 8
# As much of what somebody typed is put into the field again, for them to correct.
LONGEST_SHOWN = 40
_GROUP = 4
# No vowels, so that no code is a word; no 0 O 1 I L; of each pair that looks alike (2 Z, 5 S, 6 G,
# 8 B) only the digit: 23 to the power of 8 codes, of which one has five tries.
_ALPHABET = "23456789CDFHJKMNPQRTVWX"
# Who reads the other one of a pair means the one that there is.
_LOOK_ALIKES = str.maketrans("ZSGB", "2568")
_BETWEEN = re.compile(r"[\s\-\N{HYPHEN}-\N{HORIZONTAL BAR}]+")
_LONGEST_TYPED = 100


def new_code() -> str:
    """Eight random letters and digits to type, as they are stored and compared: ``F7KM3RTX``."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))


def say_code(code: str) -> str:
    """A code as people read it, in two groups: ``F7KM-3RTX``."""
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def read_code(typed: str) -> str | None:
    """The code that somebody typed, in any case, with or without space or dash.

    None for what cannot be a code, however it is read: trying it would only use up a try.
    """
    code = _BETWEEN.sub("", typed[:_LONGEST_TYPED]).upper().translate(_LOOK_ALIKES)
    return code if len(code) == CODE_LENGTH and set(code) <= set(_ALPHABET) else None
