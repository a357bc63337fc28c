"""What a node is offered: the throughput that would satisfy everybody who asks it.

A node without a queue serves all that it is offered, so the offer is what it serves. A node with
a queue is offered more than it can serve, and nobody knows how much more.
"""

from dataclasses import dataclass, replace

from orchestrator.domain.telemetry import Telemetry

MEAN_S = 10.0
QUEUES_AFTER_S = 2.0
CALM_AFTER_S = 15.0
HEADROOM = 1.1
STEP = 0.1
QUEUE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Offer:
    """The running estimate of one node.

    mean_tok_s: of what it serves. queues, since_s: whether requests wait, and since when that is
    so. quoted_tok_s: the offer with headroom that decisions use, changed only in steps of a
    tenth; None: more than the node can serve, or not known yet.
    """

    mean_tok_s: float
    at_s: float
    queues: bool
    since_s: float
    quoted_tok_s: float | None = None


def follow(before: Offer | None, telemetry: Telemetry, now_s: float) -> Offer | None:
    """Take one report; unchanged when it does not say what is served and what waits."""
    if telemetry.tok_s is None or telemetry.waiting is None or telemetry.running is None:
        return before
    queues = telemetry.waiting > QUEUE_SHARE * telemetry.running
    if before is None:
        return Offer(telemetry.tok_s, now_s, queues, now_s)
    passed_s = max(0.0, now_s - before.at_s)
    share = passed_s / (MEAN_S + passed_s)
    mean_tok_s = before.mean_tok_s + share * (telemetry.tok_s - before.mean_tok_s)
    since_s = before.since_s if queues == before.queues else now_s
    offer = replace(before, mean_tok_s=mean_tok_s, at_s=now_s, queues=queues, since_s=since_s)
    return replace(offer, quoted_tok_s=_quote(offer))


def _quote(offer: Offer) -> float | None:
    lasted_s = offer.at_s - offer.since_s
    if offer.queues:
        return None if lasted_s >= QUEUES_AFTER_S else offer.quoted_tok_s
    wanted_tok_s = HEADROOM * offer.mean_tok_s
    if offer.quoted_tok_s is None:
        return wanted_tok_s if lasted_s >= CALM_AFTER_S else None
    if abs(wanted_tok_s - offer.quoted_tok_s) > STEP * offer.quoted_tok_s:
        return wanted_tok_s
    return offer.quoted_tok_s
