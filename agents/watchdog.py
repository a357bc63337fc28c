"""A small second process that tightens the cards when the agent stalls or dies.

The agent feeds it lines: "feed ARMED ENDS_S" with the end of its lease on CLOCK_BOOTTIME, and
"bye" before a planned stop. A stall of an armed agent tightens after a while; an end without a
goodbye tightens when the lease could have ended, unless a new agent has claimed the journal. It
only ever lowers caps, to equal shares of fail-safe.
"""

import argparse
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agents.core.level import level
from agents.journal import claimed
from agents.ports import Clock, Gpus
from orchestrator.domain.errors import GpuError

RETRY_S: Final = 1.0
SAME_W: Final = 1.0
"""Drivers round: a read-back this close is what was written."""
MAX_TRIES: Final = 120


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of the agent; times on CLOCK_BOOTTIME in seconds.

    orphaned: it has gone without a goodbye. dismissed: it said goodbye, or was never armed.
    calm: the cards were tightened since the last feed.
    """

    fed_s: float
    armed: bool = False
    ends_s: float = 0.0
    orphaned: bool = False
    dismissed: bool = False
    calm: bool = False

    def due_s(self, stall_s: float) -> float | None:
        """When to tighten, None while there is no reason to."""
        if not self.armed or self.calm:
            return None
        return self.ends_s if self.orphaned else self.fed_s + stall_s


def hear(watch: Watch, line: str, now_s: float) -> Watch:
    """Take one line of the agent; anything else counts as a sign of life."""
    match line.split():
        case ["bye"]:
            return replace(watch, dismissed=True)
        case ["feed", armed, ends_s]:
            return Watch(now_s, armed == "1", float(ends_s))
        case _:
            return replace(watch, fed_s=now_s)


def lose(watch: Watch) -> Watch:
    """The agent has gone without a goodbye; there is nothing to guard before it was armed."""
    return replace(watch, orphaned=True, calm=False, dismissed=watch.dismissed or not watch.armed)


def succeed(watch: Watch) -> Watch:
    """The cards are down; an orphan has no more to do."""
    return replace(watch, calm=True, dismissed=watch.orphaned)


def postpone(watch: Watch, due_s: float, stall_s: float) -> Watch:
    """The cards did not come down; try again at due_s."""
    if watch.orphaned:
        return replace(watch, ends_s=due_s)
    return replace(watch, fed_s=due_s - stall_s)


def tighten(gpus: Gpus, fail_safe_w: float) -> None:
    """Lower every card that is above its share of fail-safe, and read them back.

    Raises GpuError after trying all, also when a card enforces more than was written.
    """
    cards = gpus.read()
    highs = [card.enforced_w for card in cards]
    lows = [min(card.min_w, card.enforced_w) for card in cards]
    failure: GpuError | None = None
    for card, cap_w in zip(cards, level(fail_safe_w, lows, highs), strict=True):
        try:
            if cap_w < card.enforced_w - 1e-3:
                gpus.set_limit_w(card.uuid, cap_w)
        except GpuError as error:
            failure = error
    if failure is not None:
        raise failure
    if sum(card.enforced_w for card in gpus.read()) > max(fail_safe_w, sum(lows)) + SAME_W:
        raise GpuError("the cards enforce more than was written")


class Watchdog:
    """Watches one agent through a pipe until it is dismissed or has done its work."""

    def __init__(
        self,
        pipe: int,
        gpus: Gpus,
        clock: Clock,
        replaced: Callable[[], bool],
        *,
        fail_safe_w: float,
        stall_s: float,
    ) -> None:
        self._pipe = pipe
        self._gpus = gpus
        self._clock = clock
        self._replaced = replaced
        self._fail_safe_w = fail_safe_w
        self._stall_s = stall_s
        self._watch = Watch(clock.now_s())
        self._tries = 0
        self._rest = ""

    def run(self) -> None:
        """Watch until there is nothing left to guard."""
        while not self._watch.dismissed:
            now_s = self._clock.now_s()
            due_s = self._watch.due_s(self._stall_s)
            if due_s is not None and now_s >= due_s:
                self._act(now_s)
            else:
                self._wait(None if due_s is None else due_s - now_s)

    def _act(self, now_s: float) -> None:
        orphaned = self._watch.orphaned
        if orphaned and self._replaced():
            self._watch = replace(self._watch, dismissed=True)
            return
        try:
            tighten(self._gpus, self._fail_safe_w)
            self._watch = succeed(self._watch)
        except GpuError as error:
            self._tries += 1
            with suppress(OSError):  # a full disk under the log must not keep it from trying
                sys.stderr.write(f"watchdog: {error}\n")
            gone = orphaned and self._tries >= MAX_TRIES
            later = postpone(self._watch, now_s + RETRY_S, self._stall_s)
            self._watch = replace(later, dismissed=gone)

    def _wait(self, timeout_s: float | None) -> None:
        pipes = [] if self._watch.orphaned else [self._pipe]
        ready, _, _ = select.select(pipes, [], [], timeout_s)
        if not ready:
            return
        chunk = os.read(self._pipe, 4096)
        if not chunk:
            self._watch = lose(self._watch)
            return
        *lines, self._rest = (self._rest + chunk.decode("ascii", "replace")).split("\n")
        for line in lines:
            self._watch = hear(self._watch, line, self._clock.now_s())


def main() -> None:
    """Entry point of the child process: `python -m agents.watchdog`."""
    from agents.backends import open_gpus
    from agents.clock import BootClock

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--gpu", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--uuid", action="append", default=[])
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--fail-safe-w", type=float, required=True)
    parser.add_argument("--stall-s", type=float, required=True)
    found = parser.parse_args()
    # Ctrl-C reaches the whole group; the agent says goodbye in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Watchdog(
        sys.stdin.fileno(),
        open_gpus(found.gpu, found.node, tuple(found.uuid), 1.0),
        BootClock(),
        lambda: claimed(found.journal),
        fail_safe_w=found.fail_safe_w,
        stall_s=found.stall_s,
    ).run()


if __name__ == "__main__":
    main()
