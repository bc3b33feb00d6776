"""Compiled kernels are kept on disk, and forgotten when anything they contain changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import thresher
from thresher.text.kernel import sources_digest

_PACKAGE = Path(thresher.__file__).parent
_CALL = """
import pyarrow as pa
from thresher.text.sketch import fingerprint
print(fingerprint(pa.array(["a"])))
"""


def _run(library: Path, cache: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(library), "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", _CALL]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.slow
def test_a_change_in_a_file_that_a_kernel_calls_is_not_served_from_the_cache(
    tmp_path: Path,
) -> None:
    library, cache = tmp_path / "lib", tmp_path / "cache"
    shutil.copytree(_PACKAGE, library / "thresher", ignore=shutil.ignore_patterns("__pycache__"))
    first = _run(library, cache)
    compiled = sorted(path.stat().st_mtime_ns for path in cache.rglob("*.nbc"))
    assert _run(library, cache) == first
    assert sorted(path.stat().st_mtime_ns for path in cache.rglob("*.nbc")) == compiled
    digests = library / "thresher" / "text" / "digests.py"
    digests.write_text(digests.read_text().replace("rotl(state, 29)", "rotl(state, 30)"))
    assert _run(library, cache) != first


def test_the_digest_is_of_all_sources() -> None:
    assert len(sources_digest()) == 64
