"""The forward pass of one network, prepared once and run for thousands of candidates.

The candidates of an unstructured search have the parent's shapes with zeros inside, so all that
does not depend on the weights is done once: the network is traced, what does nothing is dropped,
and the images are brought into the layout that the kernels want. A candidate then costs its own
weights, with each batch norm folded into the convolution in front of it, and the pass.
"""

from pymoo_prune.inference.forward import Inference, Precision, PreparedImages
from pymoo_prune.inference.int8 import supports_int8
from pymoo_prune.inference.parent import Statistics, Weights
from pymoo_prune.inference.together import Together

__all__ = [
    "Inference", "Precision", "PreparedImages", "Statistics", "Together", "Weights",
    "supports_int8",
]  # fmt: skip
