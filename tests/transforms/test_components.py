"""Connected pieces are those of a breadth-first search, each labelled by its smallest row."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transforms.crowds import Column
from thresher.transforms.components import audit, flatten, singletons, unite

Edges = list[tuple[int, int]]


def pieces(num: int, edges: Edges) -> list[int]:
    """Label rows by a search from each smallest row."""
    near: list[list[int]] = [[] for _ in range(num)]
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    labels = [-1] * num
    for start in range(num):
        reached = [start] if labels[start] < 0 else []
        while reached:
            row = reached.pop()
            if labels[row] < 0:
                labels[row] = start
                reached += near[row]
    return labels


def columns(edges: Edges) -> tuple[Column, Column]:
    pairs = np.array(edges, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def united(num: int, edges: Edges, parts: int = 1) -> Column:
    parent = singletons(num)
    for part in range(parts):
        unite(parent, *columns(edges[part::parts]))
    flatten(parent)
    return parent


def shuffled(edges: Edges, seed: int) -> Edges:
    """Change the order of the edges and their directions."""
    rng = np.random.default_rng(seed)
    turned = rng.integers(0, 2, len(edges))
    return [edges[i][::-1] if turned[i] else edges[i] for i in rng.permutation(len(edges))]


SHAPES: dict[str, tuple[int, Edges]] = {
    "no edges": (5, []),
    "no rows": (0, []),
    "loops": (3, [(1, 1), (2, 2)]),
    "path": (300, [(i, i + 1) for i in range(299)]),
    "path from its end": (300, [(i, i - 1) for i in range(299, 0, -1)]),
    "star around the first": (300, [(0, i) for i in range(1, 300)]),
    "star around the last": (300, [(299, i) for i in range(299)]),
    "two combs": (400, [(i, i + 2) for i in range(398)]),
    "everything twice": (40, 2 * [(i, j) for i in range(40) for j in range(i)]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_labels_are_the_smallest_rows_whatever_the_order_of_the_edges(shape: str) -> None:
    num, edges = SHAPES[shape]
    expected = pieces(num, edges)
    assert united(num, edges).tolist() == expected
    for seed in range(8):
        assert united(num, shuffled(edges, seed), parts=1 + seed % 3).tolist() == expected


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_fall_into_the_pieces_of_a_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num = int(rng.integers(1, 200))
    edges = [(int(a), int(b)) for a, b in rng.integers(0, num, (int(rng.integers(0, num)), 2))]
    labels = united(num, edges)
    assert labels.tolist() == pieces(num, edges)
    assert audit(labels, *columns(edges)) == 0


def test_a_giant_path_in_random_order_is_one_piece() -> None:
    num = 200_000
    left = np.random.default_rng(0).permutation(num - 1)
    parent = singletons(num)
    unite(parent, left, left + 1)
    flatten(parent)
    assert not parent.any()
    assert parent.dtype == np.uint32


def test_the_audit_finds_every_pair_with_a_wrong_label() -> None:
    edges = [(i, i + 1) for i in range(9)]
    labels = united(10, edges)
    assert audit(labels, *columns(edges)) == 0
    labels[4] = 3
    assert audit(labels, *columns(edges)) == 2
    labels[5:] = 5
    assert audit(labels, *columns(edges)) == 2
