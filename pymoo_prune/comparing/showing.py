"""What a comparison shows in a notebook. Import it where it is needed: it brings Bokeh."""

from __future__ import annotations

from pymoo_prune import plots
from pymoo_prune.comparing import tables, words
from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.pictures import first_population, shown_fronts
from pymoo_prune.page import in_notebook

NOTE = (
    "The picture has each method's median run, the table the mean ± standard deviation of all its "
    "runs."
)


def comparison_html(comparison: Comparison) -> str:
    """A comparison as its verdict, the fronts of median runs, and the table of methods."""
    figure = plots.draw_front(
        None,
        shown_fronts(comparison),
        comparison.goals,
        comparison.quantities,
        light=first_population(comparison),
    )
    return in_notebook(
        [words.verdict(comparison), words.shares(comparison)],
        figure,
        tables.quality_rows(comparison),
        text="fronts of all methods",
        notes=[NOTE],
    )
