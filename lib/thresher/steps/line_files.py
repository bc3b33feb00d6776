"""Internal Arrow files that grow batch by batch and are published whole."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Any

import pyarrow as pa

from thresher.store import Published, Store


class LineFile:
    """A file of one task, published when it is closed; an error before leaves nothing.

    Args:
        store: Where.
        name: What to call it; the name says what it is made of.
        schema: Its columns.
    """

    def __init__(self, store: Store, name: str, schema: pa.Schema) -> None:
        self._store, self._name = store, name
        self._stack = contextlib.ExitStack()
        path = self._stack.enter_context(store.writing(name, once=True))
        sink = self._stack.enter_context(pa.OSFile(str(path), "wb"))
        self._writer: Any = self._stack.enter_context(pa.ipc.new_file(sink, schema))

    def __enter__(self) -> LineFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append lines."""
        self._writer.write_batch(batch)

    def close(self) -> Published:
        """Publish the file and say what it is; it is believed only with a receipt."""
        self._stack.close()
        return Published(self._name, self._store.path(self._name).stat().st_size, "")
