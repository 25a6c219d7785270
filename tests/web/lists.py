"""Lists as a coordinator uploads them, and what she does with them."""

import re

from httpx2 import Response

from tests.support.cast import BASE_URL
from tests.web.client import Visitor, WebClient

ROSTER = (
    "Name,E-mail,Endorsement,Date endorsed\n"
    "Zoe Hart,zoe@example.org,Infant Family Specialist,3/14/2024\n"
    "Yan Li,yan@example.org,IFS,5/6/2025\n"
)


def upload(
    visitor: Visitor, *files: tuple[str, str | bytes], association: str = "NCIMHA"
) -> Response:
    parts = [
        ("files", (name, data if isinstance(data, bytes) else data.encode()))
        for name, data in files
    ]
    return visitor.client.post(
        "/coordinator/import",
        data={"association": association},
        files=parts,
        headers={"Origin": BASE_URL},
    )


def form_of(response: Response) -> dict[str, str]:
    """What the columns form of a page sends if nothing is changed."""
    form = {}
    for name, body in re.findall(
        r'<select id="[^"]*" name="([^"]+)".*?>(.*?)</select>', response.text, re.DOTALL
    ):
        chosen = re.search(r'value="([^"]*)" selected', body)
        form[name] = chosen[1] if chosen else ""
    return form


def plan(web: WebClient, visitor: Visitor, *files: tuple[str, str | bytes], **changes: str) -> str:
    """Upload files and accept the proposal but for some changes; the path of the import."""
    path = str(upload(visitor, *files).headers["location"])
    web.settle()
    page = visitor.get(path)
    if "What do the columns mean?" in page.text:
        visitor.post(f"{path}/columns", {**form_of(page), **changes})
        web.settle()
    return path


def act(web: WebClient, visitor: Visitor, path: str, action: str, **more: str) -> Response:
    sent = visitor.post(path, {"action": action, **more})
    web.settle()
    return visitor.follow(sent)
