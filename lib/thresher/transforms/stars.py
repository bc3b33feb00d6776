"""Connected pieces of a graph too large for one machine: large-star and small-star rounds.

After Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii, "Connected Components in MapReduce and
Beyond" (SoCC 2014). An edge is (child, parent) with child > parent. *Large-star*: every node hangs
its larger neighbours under the smallest node it knows. *Small-star*: every node hangs itself and
its smaller neighbours under the smallest of them. Both keep what is connected; when a round of each
changes nothing, every edge leads from a row straight to the smallest row of its piece.

Any set of edges may be replaced by a spanning forest of itself, so each worker contracts what it
holds (`forest`) before it sends anything on: paths shrink by far more than half a round.

Nodes are document ids (uint64). Edges come in any order and may repeat.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.transforms.components import flatten, singletons, unite

Column = np.ndarray[Any, Any]


class Edges(NamedTuple):
    """Edges as two columns of equal length, child > parent."""

    child: Column
    parent: Column


def forest(edges: Edges) -> Edges:
    """Return the edges from every node to the smallest node it is connected with, sorted by
    child."""
    if not len(edges.child):
        return edges
    nodes, dense = np.unique(np.concatenate(edges), return_inverse=True)
    above = singletons(len(nodes))
    half = len(edges.child)
    unite(above, dense[:half].astype(np.uint32), dense[half:].astype(np.uint32))
    flatten(above)
    hanging = np.flatnonzero(above != np.arange(len(nodes), dtype=np.uint32))
    return Edges(nodes[hanging], nodes[above[hanging]])


def large_star(node: Column, neighbour: Column) -> tuple[Edges, int]:
    """Hang the larger neighbours of each node under its smallest.

    Args:
        node, neighbour: uint64; all edges of a node, in both directions.

    Returns:
        The new edges, and how many of them differ from the old.
    """
    node, neighbour, begins = _grouped(node, neighbour)
    if not len(node):
        return Edges(node, neighbour), 0
    least = np.minimum(np.minimum.reduceat(neighbour, begins), node[begins])
    smallest = np.repeat(least, np.diff(np.append(begins, len(node))))
    larger = neighbour > node
    moved = int((smallest[larger] < node[larger]).sum())
    return Edges(neighbour[larger], smallest[larger]), moved


def small_star(child: Column, parent: Column) -> tuple[Edges, int]:
    """Hang each child and its parents under the smallest of them.

    Args:
        child, parent: uint64; all edges from a child to smaller nodes.

    Returns:
        The new edges, and how many of them differ from the old.
    """
    child, parent, begins = _grouped(child, parent)
    if not len(child):
        return Edges(child, parent), 0
    least = np.minimum.reduceat(parent, begins)
    smallest = np.repeat(least, np.diff(np.append(begins, len(child))))
    others = parent != smallest
    moved = int(others.sum())
    return Edges(
        np.concatenate((child[begins], parent[others])), np.concatenate((least, smallest[others]))
    ), moved


def _grouped(node: Column, neighbour: Column) -> tuple[Column, Column, Column]:
    """Sort by node and then neighbour, and drop repeated edges."""
    order = np.lexsort((neighbour, node))
    node, neighbour = node[order], neighbour[order]
    fresh = np.ones(len(node), dtype=bool)
    fresh[1:] = (node[1:] != node[:-1]) | (neighbour[1:] != neighbour[:-1])
    node, neighbour = node[fresh], neighbour[fresh]
    first = np.ones(len(node), dtype=bool)
    first[1:] = node[1:] != node[:-1]
    return node, neighbour, np.flatnonzero(first)
