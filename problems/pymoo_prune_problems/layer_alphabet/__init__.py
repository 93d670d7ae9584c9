"""What each layer becomes: pruned, in patterns, with fewer bits.

- `problem`: letters as genes, their sizes and their fitness
- `tables`: the sizes of candidates, from the facts of their letters
- `populations`: first populations in closed form
- `rivals`: what a front is compared with
- `checks`: options that cannot work are refused
"""

from pymoo_prune_problems.layer_alphabet.problem import LayerAlphabet

__all__ = ["LayerAlphabet"]
