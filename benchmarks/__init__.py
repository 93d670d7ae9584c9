"""Speed and quality, side by side with what a user would do instead.

Beside a folder for each paper and for the machinery:

- `catalogue`: the benchmarks by name, as their docstrings describe them
- `harness`: runs a benchmark, prints its tables and writes its file of results
- `quick`: the reduced size, whose parents come with the package
- `readme`: the figures in `README.md`
- `gains`: where a search pays, as a picture of the docs
- `kept`: trained parents, and parts of a benchmark that was stopped
- `rows`: some rows of a long benchmark
- `processes`: runs in processes that can be killed, and what their folders hold
"""
