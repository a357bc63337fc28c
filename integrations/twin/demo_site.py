"""The simulated site that the demo runs: twelve nodes, three racks, two PDUs."""

from typing import Final

from integrations.twin.site import TwinNode, TwinSite

UNCONTROLLED_W: Final = 4000.0

_PATHS: Final = (
    ("facility", "pdu-a", "rack-1"),
    ("facility", "pdu-a", "rack-2"),
    ("facility", "pdu-b", "rack-3"),
)

_LOADS: Final = (
    ("H100", "llama-3.1-8b", 0.88),
    ("H100", "llama-3.1-70b", 0.90),
    ("H100", "qwen3-30b-a3b", 0.86),
    ("H100", "gpt-oss-120b", 0.88),
    ("H100", "qwen3-32b", 0.88),
    ("H100", "mixtral-8x7b", 0.88),
    ("H200", "llama-3.1-70b", 0.90),
    ("H200", "qwen3-30b-a3b", 0.86),
    ("H200", "llama-3.1-8b", 0.88),
    ("H200", "qwen3-32b", 0.88),
    ("H100", "llama-3.1-8b", 0.88),
    ("H100", "gpt-oss-120b", 0.88),
)


def demo_site(seed: int) -> TwinSite:
    """`node-01` to `node-12`, eight GPUs each, dense and mixture-of-experts models mixed."""
    nodes = tuple(
        TwinNode(
            f"node-{index + 1:02d}",
            8,
            gpu,
            model,
            share,
            _PATHS[index // 4],
            boot_gate="rack-3" not in _PATHS[index // 4],
        )
        for index, (gpu, model, share) in enumerate(_LOADS)
    )
    return TwinSite(seed, nodes, UNCONTROLLED_W)
