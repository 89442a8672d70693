"""The report as one HTML file that needs nothing else: no script, no network, images and style inside."""

from pathlib import Path

from boxless.data.files import write_atomically
from boxless.report.contents import Example, MetricRow, Report
from boxless.report.gallery import gallery
from boxless.report.kinds import kinds, landmarks
from boxless.report.markup import text
from boxless.report.readings import readings
from boxless.report.sections import confusion, counting, curves, offsets, problems, scores, settings
from boxless.report.stylesheet import STYLESHEET

__all__ = ["Example", "MetricRow", "Report", "render_report", "write_report"]

SECTIONS = (scores, counting, readings, gallery, kinds, landmarks, confusion, offsets, curves, settings, problems)

# Were a name ever to slip through unescaped, the browser would still run no script and load nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_report(path: Path | str, report: Report) -> None:
    """Write the report to an HTML file, which is whole or not there.

    Raises:
        BoxlessError: as ``render_report``.
    """
    write_atomically(Path(path), render_report(report))


def render_report(report: Report) -> str:
    """The report as HTML; everything that is not ours is escaped.

    Raises:
        BoxlessError: an example cannot be drawn, or classes lack a name.
    """
    summary = f'<p class="summary">{text(report.summary)}</p>\n' if report.summary else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(report.title)}</title>\n<style>{STYLESHEET}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{text(report.title)}</h1>\n{summary}"
        f"{''.join(section(report) for section in SECTIONS)}"
        "</main>\n</body>\n</html>\n"
    )
