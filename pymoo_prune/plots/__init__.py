"""Pictures of fronts, of searches and of pruned networks.

- `fronts`: fronts of several methods
- `parallel`: networks in many quantities
- `attainment`: the costs that shares of the runs attain
- `curves`: searches, generation by generation
- `layers`: the parts of networks that are kept
- `robustness`: accuracies on perturbed images
- `style`: colours, lines and axes of all pictures, and their sizes on a screen and in a paper
- `canvas`: figures and their files
- `ticks`, `legends`, `mosaic`: ticks whose labels never touch; legends; the places of matrices
- `checks`: errors for inputs that cannot be drawn
"""

from pymoo_prune.plots.attainment import attainment_surfaces, draw_attainment
from pymoo_prune.plots.canvas import picture
from pymoo_prune.plots.curves import Curve, draw_generations, draw_hypervolumes
from pymoo_prune.plots.fronts import draw_front
from pymoo_prune.plots.layers import draw_layers, draw_matrices
from pymoo_prune.plots.parallel import draw_parallel
from pymoo_prune.plots.robustness import draw_robustness
from pymoo_prune.plots.style import (
    COLOURS,
    COLUMN,
    FIGURES,
    LIGHT,
    LIGHT_MARKER,
    LINE_STYLES,
    MARKERS,
    PAGE,
    SCREEN,
    STYLE,
    STYLES,
    AnyFigure,
    FigureStyle,
    compact,
    is_logarithmic,
    paper_style,
)

__all__ = [
    "COLOURS", "COLUMN", "FIGURES", "LIGHT", "LIGHT_MARKER", "LINE_STYLES", "MARKERS", "PAGE",
    "SCREEN", "STYLE", "STYLES", "AnyFigure", "Curve", "FigureStyle", "attainment_surfaces",
    "compact", "draw_attainment", "draw_front", "draw_generations", "draw_hypervolumes",
    "draw_layers", "draw_matrices", "draw_parallel", "draw_robustness", "is_logarithmic",
    "paper_style", "picture",
]  # fmt: skip
