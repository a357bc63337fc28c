"""Opens GPUs and engines by the word that the configuration uses for them."""

from agents.ports import Engine, Gpus
from orchestrator.domain.errors import ConfigurationError


def open_gpus(word: str, node: str, uuids: tuple[str, ...], timeout_s: float) -> Gpus:
    """Open "nvml" or "twin:HOST:PORT". Raises ConfigurationError, or GpuError without a driver."""
    if word == "nvml":
        from integrations.gpu.nvml import NvmlGpus

        return NvmlGpus(uuids)
    from integrations.twin.client import TwinConnection, TwinGpus

    return TwinGpus(TwinConnection(*_address("gpu", word), timeout_s), node)


def open_engine(word: str, node: str, timeout_s: float) -> Engine | None:
    """Open "twin:HOST:PORT"; None for "none". Raises ConfigurationError."""
    if word == "none":
        return None
    from integrations.twin.client import TwinConnection, TwinEngine

    return TwinEngine(TwinConnection(*_address("engine", word), timeout_s), node)


def _address(setting: str, word: str) -> tuple[str, int]:
    match word.rsplit(":", 2):
        case ["twin", host, port] if host and port.isdecimal() and 0 < int(port) < 65536:
            return host, int(port)
    choices = "nvml or twin:HOST:PORT" if setting == "gpu" else "none or twin:HOST:PORT"
    raise ConfigurationError(f"{setting} = {word!r}: use {choices}")
