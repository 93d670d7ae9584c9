"""Pages that open in a browser: interactive, in one file, offline.

Bokeh draws them, and takes a moment to import: import this where a page is written, not before.
"""

from pymoo_prune.page.document import Part, Section, document
from pymoo_prune.page.figures import figure_of_fronts
from pymoo_prune.page.html import bars, code, html_table, joined, paragraph, picture, sparkline
from pymoo_prune.page.linked import Linked, linked, network_table
from pymoo_prune.page.networks import anchor, beside, card, cards, layer_table, where_pruned
from pymoo_prune.page.parallel import figure_of_networks

__all__ = [
    "Linked", "Part", "Section", "anchor", "bars", "beside", "card", "cards", "code",
    "document", "figure_of_fronts", "figure_of_networks", "html_table", "joined", "layer_table",
    "linked", "network_table", "paragraph", "picture", "sparkline", "where_pruned",
]  # fmt: skip
