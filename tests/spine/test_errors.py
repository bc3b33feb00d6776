"""Errors of the operating system become ours, with the remedy for what happened."""

from __future__ import annotations

import errno

import pytest

from thresher.errors import ResourceError, StorageError, from_os_error


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (errno.EROFS, StorageError, "read-only"),
        (errno.EACCES, StorageError, "permission denied"),
        (errno.ENOSPC, ResourceError, "no space left"),
    ],
)
def test_what_the_system_refuses_is_told_by_its_cause(
    code: int, kind: type[Exception], message: str
) -> None:
    made = from_os_error(OSError(code, "refused", "/data/out"))
    assert isinstance(made, kind) and message in str(made) and "/data/out" in str(made)
