"""The fields of the form for a session: what they are called, and what can be chosen in them."""

ACTIVITIES = {"rsc": "Reflective supervision", "training": "Training"}
FORMATS = {"individual": "Individual", "group": "Group"}
SOMEONE_ELSE = "other"
ALL = "all"  # instead of hours about a topic: the whole session was
# A topic of RSC sessions, and the words for it.
Named = tuple[str, str]
TOPIC, RSC_TOPIC = "topic-", "rsc-topic-"


def topic_field(activity: str, topic: str) -> str:
    """The name of the field for the hours of a session that were about a topic."""
    return (RSC_TOPIC if activity == "rsc" else TOPIC) + topic


def usual_title(activity: str, kind: str | None) -> str:
    """What a session is called that has no name of its own: what it was says enough."""
    return f"{FORMATS.get(kind or '', '')} {activity.upper()}".strip()
