"""Compare the kernels with the reference, row by row and field by field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from thresher.text import reference
from thresher.text.sketch import fingerprint, shingles, sketch
from thresher.transforms.minhash import permutations, signature

PERMUTATIONS = permutations(20, seed=7)
EMPTY = np.full(20, 0xFFFFFFFF, np.uint32)


def assert_kernels_equal_reference(
    rows: Sequence[bytes | None], n: int = 5, array: pa.Array | None = None
) -> None:
    """Assert that every output of the kernels over `array` (of `rows`) is the reference's."""
    if array is None:
        array = pa.array(rows, pa.large_binary())
    found = sketch(array, n=n, permutations=PERMUTATIONS)
    offsets, values = shingles(array, n=n)
    assert len(offsets) == len(rows) + 1
    for index, row in enumerate(rows):
        data = row or b""
        row_shingles = values[offsets[index] : offsets[index + 1]].tolist()
        bytes_hash = reference.bytes_hash(data)
        assert tuple(map(int, found.bytes_hash[index])) == bytes_hash, data
        sequence_hash = tuple(map(int, found.sequence_hash[index]))
        try:
            text = data.decode()
        except UnicodeDecodeError:
            assert found.ok[index] == 0, data
            assert found.num_words[index] == 0
            assert sequence_hash == reference.wordless_hash(bytes_hash)
            assert row_shingles == []
            assert np.array_equal(found.signatures[index], EMPTY)
            assert not found.pictures[index].any()
            continue
        expected = reference.shingle_hashes(text, n)
        hashes32 = np.array([reference.shingle_hash32(h) for h in expected], np.uint32)
        assert found.ok[index] == 1, ascii(text)
        assert found.num_words[index] == len(reference.words(text)), ascii(text)
        assert sequence_hash == reference.sequence_hash(text), ascii(text)
        assert row_shingles == sorted(expected), ascii(text)
        assert np.array_equal(found.signatures[index], signature(hashes32, PERMUTATIONS))
        assert found.pictures[index].tolist() == reference.picture(expected)
    exact = sketch(array, with_words=False)
    assert np.array_equal(exact.ok, found.ok)
    assert np.array_equal(exact.bytes_hash, found.bytes_hash)
    assert fingerprint(array) == reference.fingerprint(rows)
