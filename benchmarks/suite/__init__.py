"""Makes the tables of `pymoo_prune.suite`: spaces of networks in which each one was trained.

- `dense_connections`: every DenseNet of a small space, from scratch, with two seeds
- `lean_dense_net`: steps of small DenseNets on one core, faster than with torch's convolutions
"""
