"""Topics, principals, and how brokers' files write them."""

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.messaging.access import (
    Credential,
    Principal,
    feed_principal,
    node_principal,
    orchestrator_principal,
)
from integrations.messaging.backoff import Backoff
from integrations.messaging.filters import check_filter, check_topic, matches
from integrations.messaging.mosquitto import mosquitto_acl, mosquitto_config, mosquitto_passwords
from integrations.messaging.mqtt import MqttTransport
from integrations.messaging.nats import nats_config, nats_subject, nats_subjects
from integrations.messaging.transport import MqttAddress
from orchestrator.domain.errors import ConfigurationError, InvalidInput, InvalidMessage

IDS = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)
LEAVES = ("desc", "state", "telemetry", "ack", "setpoint", "frontier", "shed-table")
ORDERS = {"setpoint", "frontier", "shed-table"}


@pytest.mark.parametrize(
    ("pattern", "topic", "selected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+/+", "/b", True),
        ("a/+/c", "a/b/d", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/a", False),
        ("+/a", "$SYS/a", False),
        ("$SYS/#", "$SYS/a", True),
    ],
)
def test_filters_select_topics_as_mqtt_says(pattern: str, topic: str, selected: bool) -> None:
    assert matches(pattern, topic) is selected


@pytest.mark.parametrize("pattern", ["", "a/#/b", "a+", "a/b#", "a\0"])
def test_a_malformed_filter_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidMessage, match="filter"):
        check_filter(pattern)


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0"])
def test_nothing_can_be_published_on_a_filter(topic: str) -> None:
    with pytest.raises(InvalidMessage, match="topic"):
        check_topic(topic)


@given(site=IDS, node=IDS, other_site=IDS, other=IDS, leaf=st.sampled_from(LEAVES))
def test_a_node_writes_its_own_reports_only_and_reads_its_own_orders_only(
    site: str, node: str, other_site: str, other: str, leaf: str
) -> None:
    principal = node_principal(site, node)
    topic = f"ballast/v1/{other_site}/nodes/{other}/{leaf}"
    own = (site, node) == (other_site, other)
    assert principal.may_write(topic) == (own and leaf not in ORDERS)
    assert principal.may_read(topic) == (own and leaf in ORDERS)


@given(first=st.tuples(IDS, IDS), second=st.tuples(IDS, IDS))
def test_different_nodes_never_share_a_name(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    names = {node_principal(*first).name, node_principal(*second).name}
    assert len(names) == len({first, second})


def test_the_orchestrator_commands_every_node_and_reports_for_none() -> None:
    principal = orchestrator_principal("s", "agent-1")
    assert principal.may_write("ballast/v1/s/nodes/n/setpoint")
    assert principal.may_write("grid/v1/dsx-flex-agent/agent-1/powerbreach")
    assert principal.may_read("ballast/v1/s/signals/utility")
    assert principal.may_read("grid/v1/isv/any.isv/loadtarget/set")
    assert not principal.may_write("ballast/v1/s/nodes/n/telemetry")
    assert not principal.may_write("grid/v1/dsx-flex-agent/agent-2/powerbreach")
    assert not principal.may_read("ballast/v1/t/nodes/n/telemetry")


def test_a_feed_signals_under_its_own_ids_only() -> None:
    principal = feed_principal("s", "utility", "isv.one")
    assert principal.may_write("ballast/v1/s/signals/utility")
    assert principal.may_write("grid/v1/isv/isv.one/loadtarget/set")
    assert principal.may_read("grid/v1/dsx-flex-agent/any/powerstate/status")
    assert not principal.may_write("ballast/v1/s/signals/other")
    assert not principal.may_write("grid/v1/isv/isv.two/loadtarget/set")
    assert not principal.may_write("ballast/v1/s/nodes/n/setpoint")


@pytest.mark.parametrize("bad", ["", "a/b", "+", "#", "A", "a.b", "a" * 64, "a\n"])
def test_an_id_that_could_widen_the_rights_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput, match="a-z, 0-9 and hyphen"):
        node_principal("s", bad)
    with pytest.raises(InvalidInput, match="a-z, 0-9 and hyphen"):
        feed_principal(bad, "utility", "isv")


@pytest.mark.parametrize("bad", ["", "a/b", "+", "#", "*", ">", "a>", "a b", "$a"])
def test_a_grid_id_that_could_widen_the_rights_is_refused(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="DSX"):
        feed_principal("s", "utility", bad)
    with pytest.raises(ConfigurationError, match="DSX"):
        orchestrator_principal("s", bad)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [("a/b-1/c", "a.b-1.c"), ("a/+/c", "a.*.c"), ("a/#", "a.>"), ("a/b.c/d", "a.b//c.d")],
)
def test_filters_become_nats_subjects(pattern: str, subject: str) -> None:
    assert nats_subject(pattern) == subject


def test_a_multi_level_filter_also_allows_its_own_level() -> None:
    assert nats_subjects(["a/#", "b"]) == ["a", "a.>", "b"]


@pytest.mark.parametrize("pattern", ["a b", "a/*", "a/>"])
def test_what_nats_would_read_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="NATS"):
        nats_subject(pattern)


def test_an_empty_right_is_written_as_a_denial() -> None:
    text = nats_config(
        [Credential(Principal("idle", publish=(), subscribe=("a",)), "long-enough")],
        host="127.0.0.1",
        port=1,
        store_dir=Path("/s"),
        log_file=Path("/l"),
    )
    assert 'publish: { deny: [">"] }, subscribe: { allow: ["a"] }' in text


@pytest.mark.parametrize("secret", ["short", 'with"quote', "with\\slash", "$2a$hash", "with space"])
def test_a_secret_that_a_broker_would_misread_is_refused_unprinted(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Credential(node_principal("s", "n"), secret)
    assert secret not in str(caught.value)


def test_secrets_stay_out_of_representations() -> None:
    credential = Credential(node_principal("s", "n"), "long-enough")
    address = MqttAddress(host="h", port=1, username="u", password="long-enough")
    assert "long-enough" not in f"{credential!r}{address!r}{address.url}"


def test_mosquitto_passwords_are_salted_pbkdf2_hashes() -> None:
    credential = Credential(node_principal("s", "n"), "long-enough")
    line, again = mosquitto_passwords([credential]), mosquitto_passwords([credential])
    user, _, rest = line.strip().partition(":")
    _, scheme, rounds, salt, digest = rest.split("$")
    expected = hashlib.pbkdf2_hmac(
        "sha512", b"long-enough", base64.b64decode(salt), int(rounds), dklen=64
    )
    assert (user, scheme, base64.b64decode(digest)) == ("s_node_n", "7", expected)
    assert line != again


def test_mosquitto_grants_each_filter_to_its_user() -> None:
    text = mosquitto_acl([Principal("u", publish=("a/b",), subscribe=("c/+",))])
    assert text == "user u\ntopic write a/b\ntopic read c/+\n"


def test_mosquitto_serves_known_users_only() -> None:
    text = mosquitto_config(
        host="127.0.0.1", port=1884, password_file=Path("/p"), acl_file=Path("/a")
    )
    assert "listener 1884 127.0.0.1\nallow_anonymous false\n" in text


@given(failures=st.integers(1, 2000))
def test_waits_grow_to_their_bound_and_never_past_it(failures: int) -> None:
    backoff = Backoff(first_s=1.0, most_s=30.0, jitter=0.25)
    steady_s = min(30.0, 2.0 ** min(failures - 1, 10))
    assert 0.75 * steady_s <= backoff.wait_s(failures) <= min(30.0, 1.25 * steady_s)


@pytest.mark.parametrize(("host", "port"), [("", 1883), ("h", 0), ("h", 65536)])
def test_an_impossible_address_is_refused(host: str, port: int) -> None:
    with pytest.raises(ConfigurationError, match="address"):
        MqttAddress(host=host, port=port, username="u", password="p")


@pytest.mark.parametrize("client_id", ["", "a.b", "a b", "a" * 201])
def test_a_client_id_that_some_broker_refuses_is_refused_here(client_id: str) -> None:
    address = MqttAddress(host="h", port=1, username="u", password="p")
    with pytest.raises(ConfigurationError, match="client id"):
        MqttTransport(address, client_id=client_id)


def test_a_missing_certificate_authority_is_reported_at_once(tmp_path: Path) -> None:
    address = MqttAddress(
        host="h", port=1, username="u", password="p", tls_ca=tmp_path / "missing.pem"
    )
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        MqttTransport(address, client_id="c")
