"""The demo's facility: the simulated site described as an operator would describe a real one."""

from pathlib import Path
from typing import Any

from integrations.twin.site import TwinNode, TwinSite

SITE = "demo"
UTILITY = "utility"
CONTRACT_W = 90_000.0
FIRM_SHARE = 1.12
"""The firm limit over what fail-safe caps, overhead and uncontrolled load need."""
UNCONTROLLED_W = 4_200.0
LIMITS_W = {"pdu-a": 57_000.0, "pdu-b": 29_500.0}
RACKS_W = {"rack-1": 28_500.0, "rack-2": 28_500.0, "rack-3": 29_000.0}
CARD_FAIL_SAFE_W = 250.0
HOST_OVERHEAD_W = 1_050.0
TIERS = (1, 0, 2, 1, 1, 3, 2, 1, 1, 0, 2, 3)
CARD_W = {"H100": (200.0, 700.0), "H200": (200.0, 700.0)}


def facility(
    site: TwinSite, data_dir: Path, twin: tuple[str, int], profiles: list[Path], key: Path
) -> dict[str, Any]:
    """Settings of `ballast serve` for the simulated site; twin is where its meters are read."""
    host, port = twin
    tree = limits(site)
    return {
        "site": SITE,
        "data_dir": str(data_dir),
        "simulated": True,
        "profiles": [str(path) for path in profiles],
        "models": {"forms": ["physics", "physics+gaussian"]},  # a start in seconds
        "sources": [UTILITY],
        "control": {"ttl_s": 8.0, "baseline_window_s": 20.0, "recovery_s": 150.0},
        "topology": {
            "firm_limit_w": firm_w(site),
            "limits": tree,
            "nodes": [
                node(twin_node, tier) for twin_node, tier in zip(site.nodes, TIERS, strict=False)
            ],
        },
        "meters": [{"limit_id": limit["id"], "source": f"twin:{host}:{port}"} for limit in tree],
        "dsx": {
            "feeds": {"main": site.root},
            "trusted": [{"kid": UTILITY, "isv": UTILITY, "public_key": str(key)}],
        },
    }


def firm_w(site: TwinSite) -> float:
    """What the site can promise while every node is silent, in whole hundreds of watts."""
    cards_w = sum(CARD_FAIL_SAFE_W * twin_node.gpus for twin_node in site.nodes)
    need_w = HOST_OVERHEAD_W * len(site.nodes) + 1.05 * cards_w + UNCONTROLLED_W
    return round(FIRM_SHARE * need_w, -2)


def limits(site: TwinSite) -> list[dict[str, Any]]:
    """The tree above the racks of the simulated site."""
    found: list[dict[str, Any]] = [
        {
            "id": site.root,
            "kind": "facility",
            "limit_w": CONTRACT_W,
            "uncontrolled_w": UNCONTROLLED_W,
        }
    ]
    for path in sorted({node.limits for node in site.nodes}):
        _, pdu, rack = path
        if all(limit["id"] != pdu for limit in found):
            found.append({"id": pdu, "kind": "pdu", "limit_w": LIMITS_W[pdu], "parent": site.root})
        found.append({"id": rack, "kind": "rack", "limit_w": RACKS_W[rack], "parent": pdu})
    return found


def node(twin_node: TwinNode, tier: int) -> dict[str, Any]:
    """One node as its operator knows it: cards, caps, flexibility tier."""
    min_w, max_w = CARD_W[twin_node.gpu_model]
    return {
        "id": twin_node.id,
        "limit": twin_node.limits[-1],
        "deployment": twin_node.deployment,
        "cards": twin_node.gpus,
        "nameplate_w": max_w * twin_node.gpus,
        "min_w": min_w * twin_node.gpus,
        "fail_safe_w": CARD_FAIL_SAFE_W * twin_node.gpus,
        "overhead_w": HOST_OVERHEAD_W,
        "tier": tier,
        "boot_gated": twin_node.boot_gate,
    }


def agent(
    twin_node: TwinNode, data_dir: Path, twin: tuple[str, int], broker: dict[str, Any]
) -> dict[str, Any]:
    """Settings of `ballast-agent run` for one simulated node; broker: its broker_* settings."""
    plant = f"twin:{twin[0]}:{twin[1]}"
    return {
        "site": SITE,
        "node": twin_node.id,
        "deployment": twin_node.deployment,
        "fail_safe_w": CARD_FAIL_SAFE_W * twin_node.gpus,
        "boot_gated": twin_node.boot_gate,
        "gpu": plant,
        "engine": plant,
        "journal": str(data_dir / "journals" / f"{twin_node.id}.json"),
        **broker,
    }
