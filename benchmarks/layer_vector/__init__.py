"""The layer vector: what an evaluation costs, and what searches over it find.

- `alphabets`: searched letters, beside those that need no search
- `letter_inputs`: the same for bits of layers' inputs
- `letter_training`: the same after an epoch of retraining
- `letter_bounds`: the same where two sums are bound, and for patterns
- `evaluation`: the time of one evaluation
- `quality`: searched allocations, beside those that need no search
- `ranks`: how few images still rank candidates, by divergence and by accuracy
- `rules`: the paper's GA with its rules, beside the same GA without
- `tables`: the paper's tables
- `tables_setting`: their data and parents
- `reference`: an evaluation the plain way
- `setting`: data and parents
"""
