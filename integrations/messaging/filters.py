"""MQTT topic names and filters (MQTT 3.1.1, section 4.7), without any input or output."""

from orchestrator.domain.errors import InvalidMessage

SINGLE = "+"
MULTI = "#"


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic filter selects a topic; wildcards never select topics that start with $."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {SINGLE, MULTI}:
        return False
    for index, level in enumerate(wanted):
        if level == MULTI:
            return True
        if index >= len(levels) or level not in {SINGLE, levels[index]}:
            return False
    return len(wanted) == len(levels)


def check_topic(topic: str) -> None:
    """Raise InvalidMessage unless something can be published on the topic."""
    if not topic or any(sign in topic for sign in "+#\0"):
        raise InvalidMessage(f"topic {topic!r} must not be empty or hold +, # or NUL")


def check_filter(pattern: str) -> None:
    """Raise InvalidMessage unless the topic filter can be subscribed to."""
    levels = pattern.split("/")
    lone = all(level in {SINGLE, MULTI} for level in levels if "+" in level or "#" in level)
    if not pattern or "\0" in pattern or not lone or MULTI in levels[:-1]:
        raise InvalidMessage(
            f"topic filter {pattern!r} is not valid: + and # stand alone in a level, # only last"
        )
