"""What a run shows in a notebook. Import it where it is needed: it brings Bokeh."""

from __future__ import annotations

from pymoo_prune import plots
from pymoo_prune.errors import command
from pymoo_prune.page import in_notebook
from pymoo_prune.runs import words
from pymoo_prune.runs.report import Report
from pymoo_prune.runs.run import Run


def run_html(run: Run) -> str:
    """A finished run as its verdict, the picture of the front, and the table of its networks.

    Its problem is not imported, so what papers report is not in the picture.
    """
    if not run.complete:
        resume = command("resume", run.folder)
        return in_notebook([repr(run), f"{resume} goes on with it."])
    report = Report(run)
    findings = report.findings
    figure = plots.draw_front(
        None,
        [one for one in findings.series if one is not findings.first],
        findings.goals,
        findings.quantities,
        light=[] if findings.first is None else [findings.first],
    )
    lead = [words.title(findings), report.verdict(), report.suggestion(), report.parent_line()]
    return in_notebook(lead, figure, report.network_rows(), text="the front", texts=())
