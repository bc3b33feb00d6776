"""The report of a job: its model, and the page that shows it, which is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thresher.report.model import Report

if TYPE_CHECKING:
    from thresher.report.page import render

__all__ = ["Report", "render"]


def __getattr__(name: str) -> Any:
    if name == "render":
        from thresher.report.page import render

        return render
    raise AttributeError(f"module 'thresher.report' has no attribute {name!r}")
