"""Which agents this orchestrator understands well enough to raise their caps.

An agent of its own major and minor version, or of an older minor of the same major. Others may mean
something else by what they report: they are charged, and may be cut, but are never raised.
"""

import re

SUPPORTED = (0, 1)
"""Major and newest minor version of agents that may be raised: those of this release."""
NEWEST = "{}.{}".format(*SUPPORTED)
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})(?:[.+\-a-z].*)?", re.ASCII | re.DOTALL)


def objection(agent_version: str | None) -> str | None:
    """Why a node with this agent may only be cut, in words; None when it may be raised.

    agent_version: as the node describes itself, None while it has not.
    """
    if agent_version is None:
        return "the agent has not said its version: cut only"
    found = _VERSION.fullmatch(agent_version)
    if found is not None:
        major, minor = int(found[1]), int(found[2])
        if major == SUPPORTED[0] and minor <= SUPPORTED[1]:
            return None
    return f"agent {agent_version[:40]} is unknown here: cut only"
