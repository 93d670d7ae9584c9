"""Interactive pages in one file, which open in a browser without a network.

Bokeh draws them, and takes a moment to import. So import this room inside the function that writes
a page.

- `document`: a whole page
- `html`: parts of a page that are plain HTML
- `linked`: networks that all pictures and tables of a page share
- `figures`: interactive pictures of fronts
- `parallel`: interactive parallel coordinates
- `evaluations`: interactive pictures of all evaluations of searches
- `searched`, `growth`, `thinning`: these evaluations, when each of them was on the front, and fewer
  points that look like all
- `explore`: controls of a page, which `explore.js` makes work
- `networks`: cards of single networks
- `notebook`: what objects show in a notebook
"""

from pymoo_prune.page.document import Part, Section, document
from pymoo_prune.page.evaluations import figure_of_searches
from pymoo_prune.page.explore import Explorer
from pymoo_prune.page.figures import figure_of_fronts
from pymoo_prune.page.html import bars, code, html_table, joined, paragraph, picture, sparkline
from pymoo_prune.page.linked import COLOUR, Linked, linked, network_table
from pymoo_prune.page.networks import anchor, beside, card, cards, layer_table, where_pruned
from pymoo_prune.page.notebook import in_notebook
from pymoo_prune.page.parallel import figure_of_networks
from pymoo_prune.page.searched import (
    GENERATION,
    MOST_POINTS,
    Searched,
    quality_of,
    searched,
    with_generations,
)

__all__ = [
    "COLOUR", "GENERATION", "MOST_POINTS", "Explorer", "Linked", "Part", "Searched", "Section",
    "anchor", "bars", "beside", "card", "cards", "code", "document", "figure_of_fronts",
    "figure_of_networks", "figure_of_searches", "html_table", "in_notebook", "joined",
    "layer_table", "linked", "network_table", "paragraph", "picture", "quality_of", "searched",
    "sparkline", "where_pruned", "with_generations",
]  # fmt: skip
