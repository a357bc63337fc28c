"""NVIDIA cards through NVML: limits in whole watts, energy from the total counter."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from orchestrator.domain.errors import GpuError
from orchestrator.domain.telemetry import CardReading

MW_PER_W = 1000
T = TypeVar("T")


class NvmlGpus:
    """The cards with the given UUIDs; no other card is read or written. Raises GpuError.

    NVML is loaded on first use and again after an error, so that an agent starts before the
    driver does. Writing needs root.
    """

    def __init__(self, uuids: tuple[str, ...], load: Callable[[], Any] | None = None) -> None:
        self._uuids = uuids
        self._load = load or _load
        self._nvml: Any = None
        self._handles: dict[str, Any] = {}

    def read(self) -> tuple[CardReading, ...]:
        """Every card; the enforced limit, which an out-of-band cap may hold below the requested."""
        with self._translated("reading"):
            return tuple(self._read(uuid) for uuid in self._uuids)

    def set_limit_w(self, uuid: str, limit_w: float) -> None:
        """Write a card's power limit, rounded down to a whole watt."""
        if uuid not in self._uuids:
            raise GpuError(f"{uuid} is not among the cards that may be turned")
        with self._translated(f"setting {uuid} to {limit_w:g} W"):
            handle, nvml = self._handle(uuid)
            nvml.nvmlDeviceSetPowerManagementLimit(handle, int(limit_w) * MW_PER_W)

    def set_clock_mhz(self, clock_mhz: float | None) -> None:
        """Lock the SM clock of every card to at most this; None frees it."""
        for uuid in self._uuids:
            with self._translated(f"locking the clock of {uuid}"):
                handle, nvml = self._handle(uuid)
                if clock_mhz is None:
                    nvml.nvmlDeviceResetGpuLockedClocks(handle)
                else:
                    nvml.nvmlDeviceSetGpuLockedClocks(handle, 0, int(clock_mhz))

    def _read(self, uuid: str) -> CardReading:
        handle, nvml = self._handle(uuid)
        low_mw, high_mw = nvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
        return CardReading(
            uuid=uuid,
            enforced_w=nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / MW_PER_W,
            power_w=nvml.nvmlDeviceGetPowerUsage(handle) / MW_PER_W,
            energy_j=nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / MW_PER_W,
            min_w=low_mw / MW_PER_W,
            max_w=high_mw / MW_PER_W,
            default_w=nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) / MW_PER_W,
        )

    def _handle(self, uuid: str) -> tuple[Any, Any]:
        """A card and the library it belongs to: another thread may drop both after an error."""
        nvml = self._nvml
        if nvml is None:
            nvml = self._load()
            nvml.nvmlInit()
            self._nvml = nvml
        handle = self._handles.get(uuid)
        if handle is None:
            handle = self._handles[uuid] = nvml.nvmlDeviceGetHandleByUUID(uuid)
        return handle, nvml

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except GpuError:
            raise
        except Exception as error:
            # The bindings build their exception classes at run time, one for each error code.
            if not type(error).__name__.startswith("NVMLError"):
                raise
            self._nvml = None
            self._handles.clear()
            raise GpuError(f"{doing}: {_advice(error)}") from error


def _load() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError as error:
        raise GpuError("install ballast-power[agent] to reach NVIDIA cards") from error


def _advice(error: Exception) -> str:
    match type(error).__name__:
        case "NVMLError_NoPermission":
            return "the driver refuses it: run the agent as root"
        case "NVMLError_NotFound" | "NVMLError_InvalidArgument":
            return f"{error}: check the UUID and the card's range"
        case "NVMLError_LibraryNotFound" | "NVMLError_DriverNotLoaded":
            return f"{error}: install and load the NVIDIA driver"
        case _:
            return str(error)
