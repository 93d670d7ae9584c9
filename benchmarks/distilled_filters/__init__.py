"""Distilled filters: what a candidate and its repair cost, and what searches find.

- `evaluation`: the time of one candidate
- `multiples`: the time of networks whose widths are multiples
- `phases`: distillation in the search, and after it
- `quality`: searched filters, beside the problem's rivals
- `recovery`: the worth of each repair
- `vision`: heads, hidden units and blocks of a vision transformer, beside rivals
- `weights`: filters beside single weights of one ResNet-20
- `tables`: the paper's tables in small
- `reference`: a candidate the plain way, with torch-pruning
- `setting`: data and teacher
- `vision_setting`: data and the vision transformer
- `methods`: methods that find small networks, and what is measured of these
- `head_pruning`: torch-pruning's way with transformers
"""
