"""Dense connectivity: how candidates are measured cheaply, and what searches find.

- `fidelity`: how well cheap fitness ranks networks
- `surrogate`: evaluations that a model spares
- `tables`: the paper's table in small
- `training`: the time of a training image
"""
