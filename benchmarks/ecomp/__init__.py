"""EComp: is it fast, is it the authors', is it worth it?

- `generation`: the time of one generation
- `faithful`: figures beside those of the authors
- `authors`: the authors' runs
- `figures`: Figures 2 to 5, ours and theirs
- `page`: renews the tables and pictures of docs/ecomp.md
- `quality`: keep-masks with refit, beside refitted rivals, the first population and random search
- `reference`: one generation the plain way, which tests of EComp compare with too
- `setting`: data and parent
"""
