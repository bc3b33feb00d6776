"""A Spark job as the driver sees it: it runs in a thread, its receipts come through the store.

The main thread stays free for signals and for telling progress. A job is ended by its tag. With
Connect that is the session's; the tags of a classic session are those of one thread, which alone
can end what it started (seen with 4.3), so there the tag is the context's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from thresher.engines.attempts import Order, decode_receipt
from thresher.engines.spark_session import accept_pandas
from thresher.engines.spark_tasks import failure_name
from thresher.stage import Progress, Receipt, Stage, load_receipt, receipt_name

logger = logging.getLogger(__name__)

T = TypeVar("T")
POLL_SECONDS = 0.5
CANCEL_SECONDS = 15.0
STOP_SECONDS = 10.0


@dataclass
class Watch:
    """Tells the run about each receipt once, as soon as it lies in the store."""

    order: Order
    stage: Stage
    kind: str
    waiting: set[int]
    done: Progress

    def look(self) -> bool:
        """Tell of receipts that have come since; say whether there were any."""
        store, folder = self.order.store, self.stage.folder
        names = set(store.names(folder))
        came = sorted(n for n in self.waiting if receipt_name(folder, n) in names)
        receipts = [load_receipt(store, folder, number) for number in came]
        for receipt in receipts:
            if receipt is not None:
                self.tell(receipt)
        return any(receipts)

    def tell(self, receipt: Receipt) -> None:
        """Take one receipt, unless it was taken before."""
        if receipt.task in self.waiting:
            self.waiting.remove(receipt.task)
            self.done(receipt)

    def refuse_failed(self) -> None:
        """Raise the final error that a worker has left."""
        if self.order.store.exists(failure_name(self.order)):
            decode_receipt(self.order.store.get(failure_name(self.order)))

    def finished(self) -> set[str]:
        """Name the units that have ended, as `Order.starts` does."""
        starts = self.order.starts()
        waiting = {f"{self.kind}-{number:05d}" for number in self.waiting}
        return {u for u in starts if u.startswith(self.kind) and u not in waiting}


def collect(spark: Any, tag: str, build: Callable[[], Any]) -> list[Any]:
    """Run the job in this thread, under a tag by which it can be ended."""
    context = getattr(spark, "_sc", None)
    add, remove = (
        (spark.addTag, spark.removeTag)
        if context is None
        else (context.addJobTag, context.removeJobTag)
    )
    add(tag)
    accept_pandas()
    try:
        rows: list[Any] = build().collect()
        return rows
    finally:
        remove(tag)


def cancel(spark: Any, tag: str, job: Future[Any]) -> None:
    """End the job; ask again while it is still being submitted."""
    context = getattr(spark, "_sc", None)
    end = spark.interruptTag if context is None else context.cancelJobsWithTag
    until = time.monotonic() + CANCEL_SECONDS
    while not job.done() and time.monotonic() < until:
        try:
            within(STOP_SECONDS, partial(end, tag))
        except Exception as error:  # noqa: BLE001 - why the run ends counts more: Spark may be gone
            logger.debug("the job could not be cancelled: %s", error)
        wait([job], POLL_SECONDS)


def in_thread(function: Callable[[], T]) -> Future[T]:
    """Call a function in a thread that does not keep the process alive."""
    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the caller gets it from the future
            future.set_exception(error)

    threading.Thread(target=call, name="thresher-spark", daemon=True).start()
    return future


def within(seconds: float, function: Callable[[], T]) -> T:
    """Call a function that may hang; it is left behind after so many seconds.

    Raises:
        concurrent.futures.TimeoutError: It did not end.
    """
    return in_thread(function).result(seconds)
