"""Whether a mixture has the proportions that were asked for: the shares before caps and whole rows,
and those that were reached.

Shapes: L leaves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

TOLERANCE, RELATIVE = 0.01, 0.1  # of the mixture; of the share
_SHOWN = 5


class Wanted(NamedTuple):
    """What was wanted of a leaf.

    Args:
        name: What messages call it.
        part: The source or pooled category that it is of.
        weight: The part's share of what is divided by weight; None where it gives a fixed amount.
        cap: The most that the part may give.
        target: The amount asked of it, within the cap.
    """

    name: str
    part: Hashable
    weight: float | None
    cap: int | None
    target: int


def asked_shares(leaves: Sequence[Wanted], total: int) -> list[float]:
    """Return the (L,) shares of the total that were asked for, whatever the caps."""
    of_part: Counter[Hashable] = Counter()
    for leaf in leaves:
        of_part[leaf.part] += leaf.target
    divided = _divided(leaves, total)
    found = []
    for leaf in leaves:
        amount: float = leaf.target
        if leaf.weight is not None:
            inside = leaf.target / of_part[leaf.part] if of_part[leaf.part] else 1.0
            amount = leaf.weight * divided * inside
        found.append(amount / total if total else 0.0)
    return found


def keeping(leaves: Sequence[Wanted], total: int) -> int | None:
    """Return the largest total whose proportions no cap changes; None where none changes these."""
    divided = _divided(leaves, total)
    bound = [
        leaf.cap / leaf.weight
        for leaf in leaves
        if leaf.weight and leaf.cap is not None and leaf.weight * divided >= leaf.cap + 1
    ]
    return total - divided + int(min(bound)) if bound else None


def missed(leaves: Sequence[Wanted], total: int, given: Sequence[int], unit: str) -> str | None:
    """Say which leaves miss the share asked of them by more than TOLERANCE of the mixture or
    RELATIVE of the share, and by more than one row or token; a leaf that gives nothing always does.

    Args:
        leaves: What was wanted.
        total: The amount that was asked for in all.
        given: (L,) what they gave.
        unit: Rows or tokens.
    """
    whole = sum(given)
    off = []
    for leaf, asked, amount in zip(leaves, asked_shares(leaves, total), given, strict=True):
        reached = amount / whole if whole else 0.0
        far = abs(reached - asked) > min(TOLERANCE, RELATIVE * asked)
        if (far and abs(amount - asked * whole) > 1) or (asked and not amount):
            off.append(f"{leaf.name} {100 * reached:.2f} % instead of {100 * asked:.2f} %")
    if not off:
        return None
    told = ", ".join(off[:_SHOWN]) + (f" and {len(off) - _SHOWN} more" if off[_SHOWN:] else "")
    keeps = keeping(leaves, total)
    if keeps is not None:
        remedy = f"; with a total of {keeps:,} {unit} none would" if keeps else ""
        return f"caps change the proportions: {told}{remedy}"
    if unit == "tokens" and sum(leaf.target for leaf in leaves) == total:
        told += "; rows are written whole, so large ones fit a larger total better"
    return f"shares are not those asked for: {told}"


def _divided(leaves: Sequence[Wanted], total: int) -> int:
    return total - sum(leaf.target for leaf in leaves if leaf.weight is None)
