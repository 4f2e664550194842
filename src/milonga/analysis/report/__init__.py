"""A page for listening and comparing: players, pictures, figures, receipts, licences."""

from milonga.analysis.report.model import Report, ReportSection, ReportTrack
from milonga.analysis.report.page import (
    check_report_folder,
    write_comparison_report,
    write_report,
)

__all__ = [
    "Report",
    "ReportSection",
    "ReportTrack",
    "check_report_folder",
    "write_comparison_report",
    "write_report",
]
