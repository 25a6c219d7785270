"""What somebody finds in the mail that signs them in."""

import re

from tests.support.cast import ALICE, BASE_URL
from tests.web.client import Visitor, WebClient

CODE = r"[0-9]{3} [0-9]{3} [0-9]{3}"


def find_code(mail: str) -> str:
    """The code of a mail, as it is written there."""
    code = re.search(rf"^\s+({CODE})\s*$", mail, re.MULTILINE)
    assert code is not None
    return code[1]


def ask(web: WebClient, visitor: Visitor, email: str = ALICE, wanted: str = "") -> tuple[str, str]:
    """Ask for a mail; the path of its link, and its code."""
    visitor.post("/sign-in", {"email": email, "next": wanted})
    web.settle()
    mail = web.mails()[-1]
    link = re.search(rf"{BASE_URL}(/sign-in/\S+)", mail)
    assert link is not None
    return link[1], find_code(mail)


def wrong(code: str, number: int = 1) -> str:
    """Another code than this one."""
    last_two = (int(code[-2:]) + number) % 100
    return f"{code[:-2]}{last_two:02}"


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.get("/my-year").status_code == 200
