"""The programs that make the benchmark suite, and its benchmarks.

- `parents`: trains the networks that come with the suite
- `spaces`: spaces of which all candidates are measured
- `enumeration`: measures candidates, where those that share layers share their computation
- `dense_connections`: every DenseNet of a small space, from scratch, with two seeds
- `lean_dense_net`: steps of small DenseNets on one core, faster than with torch's convolutions
- `tables`: makes the tables
- `fronts`: writes known fronts
- `engines`: engines that the suite is tried with
- `study`: all engines on all instances
- `publishing`: writes files into the package, with their digests
- `page`: renews the tables of docs/suite.md
- `speed`: evaluations a second
- `truth`: tables against live measurements
- `discriminates`: whether engines can be told apart
- `share`: what a search adds to what was there before it
- `compare_suite`: a study over many instances, from nothing to its pages
"""
