"""How many nodes Redis's radix tree of a stream has. XINFO STREAM tells it; dscache has no such tree.

The keys of that tree are the nodes' base IDs, 16 bytes each, big-endian. It has a node for every key's
end, one where keys part, and one for every run of bytes without a branch. That follows from how many
leading bytes neighbours have in common: the keys from left to right, with a stack of the branches above
the last one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

_KEY_BYTES: Final = 16


def radix_nodes(keys: list[int]) -> int:
    """Nodes of a radix tree of ``keys``, which are IDs in ascending order. O(n)."""
    if not keys:
        return 1
    nodes = len(keys)
    # Depths at which the way to the last key branches.
    branches: list[int] = []
    for left, right in pairwise(keys):
        depth = _KEY_BYTES - ((left ^ right).bit_length() + 7) // 8
        below = _KEY_BYTES
        while branches and branches[-1] > depth:
            nodes += _run(branches[-1], below)
            below = branches.pop()
        nodes += _run(depth, below)
        if not branches or branches[-1] < depth:
            branches.append(depth)
            nodes += 1
    below = _KEY_BYTES
    while branches:
        nodes += _run(branches[-1], below)
        below = branches.pop()
    return nodes + (1 if below > 0 else 0)


def _run(branch: int, below: int) -> int:
    """Nodes between a branch and what comes ``below`` it: one, unless that follows at once."""
    return 1 if below > branch + 1 else 0
