"""Topics are built and taken apart by the same rules."""

import pytest

from integrations.wire import topics
from integrations.wire.topics import Topic
from orchestrator.domain.errors import InvalidInput, InvalidMessage


@pytest.mark.parametrize("kind", topics.NODE_KINDS)
def test_a_node_topic_parses_to_what_it_was_built_from(kind: topics.NodeKind) -> None:
    assert topics.node("hall-1", "n7", kind) == f"ballast/v1/hall-1/nodes/n7/{kind}"
    assert topics.parse(topics.node("hall-1", "n7", kind)) == Topic("hall-1", kind, "n7")


def test_site_topics_parse_to_what_they_were_built_from() -> None:
    assert topics.parse(topics.orchestrator_state("s")) == Topic("s", "orchestrator")
    assert topics.parse(topics.signals("s", "utility")) == Topic("s", "signals", "utility")
    assert topics.parse(topics.shed("s")) == Topic("s", "shed")


def test_filters_have_one_wildcard_level() -> None:
    assert topics.nodes_filter("s", "telemetry") == "ballast/v1/s/nodes/+/telemetry"
    assert topics.signals_filter("s") == "ballast/v1/s/signals/+"


@pytest.mark.parametrize("bad", ["", "A", "a_b", "a/b", "+", "#", "x" * 64, "é", "a\n"])
def test_an_id_outside_the_alphabet_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        topics.node("site", bad, "ack")
    with pytest.raises(InvalidInput):
        topics.shed(bad)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "ballast/v2/s/shed",
        "ballast/v1/s",
        "ballast/v1//shed",
        "ballast/v1/s/nodes/n",
        "ballast/v1/s/nodes/n/other",
        "ballast/v1/s/nodes/N/ack",
        "ballast/v1/s/nodes/n/ack/more",
    ],
)
def test_a_strange_topic_is_refused(topic: str) -> None:
    with pytest.raises(InvalidMessage):
        topics.parse(topic)
