"""Made-up messages in the shapes in which mail systems report what came back."""

from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.eml"))


def write_report(name: str, return_path: str, recipient: str) -> bytes:
    """One of the messages, about mail with that envelope sender to that recipient."""
    text = (HERE / f"{name}.eml").read_text("utf-8")
    text = text.replace("{return_path}", return_path).replace("{recipient}", recipient)
    return text.encode()
