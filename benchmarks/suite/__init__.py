"""The programs that make the benchmark suite: its parents, tables and known fronts.

- `parents`: trains the networks that come with the suite
- `enumeration`: measures all candidates of a space, where they share what their layers share
- `tables`: makes the tables
- `publishing`: writes files into the package, with their digests
- `page`: renews the tables of docs/suite.md
"""
