"""The report of a job: its model, and the page that shows it."""

from thresher.report.model import Report
from thresher.report.page import render

__all__ = ["Report", "render"]
