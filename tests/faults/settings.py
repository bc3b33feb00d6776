"""The parameters that the interrupted runs use: a few tasks of a small input."""

from __future__ import annotations

from typing import Any

PARAMS: dict[str, Any] = {"split_bytes": 96 << 10, "audit_rows": 50}
