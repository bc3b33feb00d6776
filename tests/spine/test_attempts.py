"""An attempt works only for its own order, and says which failures are worth a retry."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from thresher.engines.attempts import (
    Order,
    Transient,
    attempt,
    decode_receipt,
    encode_receipt,
    is_private,
    place_order,
)
from thresher.errors import (
    EngineError,
    InputError,
    InternalError,
    ResourceError,
    StorageError,
    ThresherError,
)
from thresher.stage import MapStage, Receipt
from thresher.store import Store


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return place_order(Store(str(tmp_path)), _stage(), attempts=4)


def _stage() -> MapStage:
    return MapStage("read", "k", lambda store, folder, task: Receipt(task.index), ())


def _fail(error: Exception) -> Callable[[], Receipt]:
    def work() -> Receipt:
        raise error

    return work


def test_receipts_and_errors_travel_as_values(order: Order) -> None:
    receipt = Receipt(3, rows_in=5, facts={"a": 1})
    assert decode_receipt(encode_receipt(lambda: attempt(order, "task", 3, lambda: receipt))) == (
        receipt
    )
    error = InputError("no column", path="a.parquet", remedy="look")
    data = encode_receipt(lambda: attempt(order, "task", 4, _fail(error)))
    with pytest.raises(InputError, match=r"a\.parquet: no column \(look\)"):
        decode_receipt(data)


def test_a_unit_that_was_started_too_often_is_given_up_and_named(order: Order) -> None:
    for _ in range(4):
        attempt(order, "reduce", 7, lambda: Receipt(7))
    with pytest.raises(ResourceError, match="reduce 7 of stage read was started 4 times"):
        attempt(order, "reduce", 7, lambda: Receipt(7))
    assert attempt(order, "reduce", 8, lambda: Receipt(8)) == Receipt(8)
    assert order.starts()["reduce-00007"] == 5


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("gone"),
        TimeoutError("late"),
        OSError(errno.EIO, "input/output error"),
        OSError(errno.ESTALE, "stale handle"),
    ],
)
def test_a_passing_failure_is_tried_again_and_then_lasting(order: Order, error: OSError) -> None:
    for _ in range(2):
        with pytest.raises(Transient):
            attempt(order, "task", 0, _fail(error))
    with pytest.raises(StorageError):
        attempt(order, "task", 0, _fail(error))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "no space"), ResourceError),
        (PermissionError(errno.EACCES, "denied"), StorageError),
        (MemoryError(), ResourceError),
        (KeyError("a bug"), InternalError),
    ],
)
def test_a_lasting_failure_is_final_at_once(
    order: Order, error: Exception, kind: type[ThresherError]
) -> None:
    with pytest.raises(kind):
        attempt(order, "task", 0, _fail(error))


def test_a_worker_of_other_versions_does_not_work(order: Order) -> None:
    other = replace(order, versions=(("pyarrow", "1.0"),))
    with pytest.raises(EngineError, match=r"has pyarrow .* the driver has 1\.0"):
        attempt(other, "task", 0, lambda: Receipt(0))


def test_a_worker_that_sees_another_folder_does_not_work(order: Order, tmp_path: Path) -> None:
    elsewhere = replace(order, store=Store(str(tmp_path / "other")))
    with pytest.raises(StorageError, match="does not see the output folder of this run"):
        attempt(elsewhere, "task", 0, lambda: Receipt(0))


def test_a_task_of_an_earlier_run_neither_works_nor_counts_in_a_later_one(order: Order) -> None:
    attempt(order, "task", 0, lambda: Receipt(0))
    later = place_order(order.store, _stage(), attempts=4)
    with pytest.raises(StorageError):
        attempt(order, "task", 0, lambda: Receipt(0))
    assert order.folder != later.folder
    assert not later.starts()


def test_a_link_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "open").mkdir(mode=0o755)
    assert is_private(tmp_path / "mine")
    assert not is_private(tmp_path / "link")
    assert not is_private(tmp_path / "open")
