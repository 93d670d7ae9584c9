"""The forward pass of one network, prepared once and run for thousands of candidates.

The candidates of an unstructured search have the parent's shapes, with zeros inside. All work that
does not depend on the weights is done once: the network is traced, operations without effect are
dropped, and the images are brought into the layout that the kernels want. A candidate then costs
the loading of its weights, with each batch norm folded into the convolution in front of it, and the
pass.

- `parent`: the network as it was given; paths of weights and statistics
- `graph`: the network as a graph, with batch norms folded
- `int8`: the graph in 8 bits
- `form`: a runnable form of the network, which candidates are loaded into
- `forward`: the pass
- `together`: several candidates in one pass
"""

from pymoo_prune.inference.forward import Inference, Precision, PreparedImages
from pymoo_prune.inference.int8 import supports_int8
from pymoo_prune.inference.parent import Grids, Statistics, Weights
from pymoo_prune.inference.together import Together

__all__ = [
    "Grids", "Inference", "Precision", "PreparedImages", "Statistics", "Together", "Weights",
    "supports_int8",
]  # fmt: skip
