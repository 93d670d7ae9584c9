"""The tests: a package by name, because packages of others install a `tests` of their own."""
