"""Runs: what keeping, resuming and reporting cost.

- `overhead`: store, digests, extras and display, beside the paper's arithmetic
- `resume`: runs that are killed and resumed
- `damage`: damaged folders, read and exported
- `kill_everything`: every command killed, and given again
- `report_scale`: reports of runs with 10,000 evaluations
"""
