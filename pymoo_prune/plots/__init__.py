"""Pictures of fronts, of searches and of pruned networks.

- `fronts`: fronts of several methods
- `parallel`: networks in many quantities
- `attainment`: the costs that shares of the runs attain
- `differences`: where two methods' attainments differ
- `curves`: searches, generation by generation
- `profiles`: steps over evaluations, one line a method
- `rank_axis`: mean ranks and a critical difference
- `costs`: fronts in costs, beside a known front
- `layers`: the parts of networks that are kept
- `robustness`: accuracies on perturbed images
- `style`: colours, lines and axes of all pictures, and their sizes on a screen and in a paper
- `canvas`: figures and their files
- `ticks`, `legends`, `mosaic`: ticks whose labels never touch; legends; the places of matrices
- `checks`: errors for inputs that cannot be drawn
"""

from pymoo_prune.plots.attainment import attainment_surfaces, draw_attainment
from pymoo_prune.plots.canvas import picture
from pymoo_prune.plots.costs import draw_costs
from pymoo_prune.plots.curves import Curve, draw_generations, draw_hypervolumes
from pymoo_prune.plots.differences import (
    AttainmentDifference,
    difference_of_attainment,
    draw_difference,
)
from pymoo_prune.plots.fronts import draw_front
from pymoo_prune.plots.layers import draw_layers, draw_matrices
from pymoo_prune.plots.parallel import draw_parallel
from pymoo_prune.plots.profiles import Profile, draw_profiles
from pymoo_prune.plots.rank_axis import draw_ranks
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
    "SCREEN", "STYLE", "STYLES", "AnyFigure", "AttainmentDifference", "Curve", "FigureStyle",
    "Profile", "attainment_surfaces", "compact", "difference_of_attainment", "draw_attainment",
    "draw_costs", "draw_difference", "draw_front", "draw_generations", "draw_hypervolumes",
    "draw_layers", "draw_matrices", "draw_parallel", "draw_profiles", "draw_ranks",
    "draw_robustness", "is_logarithmic", "paper_style", "picture",
]  # fmt: skip
