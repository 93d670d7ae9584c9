"""Any network: which of the networks that people bring can be pruned, and are the numbers right.

- `coverage`: how many of 24 networks go through filters and through weights
- `packaged`: networks of torchvision and timm, as they come
- `written`: networks as people write them
- `checks`: what is checked of each of them
"""
