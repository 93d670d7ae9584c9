"""Distilled filters: what a candidate and its repair cost, and what searches find.

- `evaluation`: the time of one candidate
- `multiples`: the time of networks whose widths are multiples
- `phases`: distillation in the search, and after it
- `quality`: searched filters, beside the problem's rivals
- `recovery`: the worth of each repair
- `tables`: the paper's tables in small
- `reference`: a candidate the plain way, with torch-pruning
- `setting`: data and teacher
"""
