"""A search: an engine and a budget, every evaluation kept, progress shown.

- `searching`: the search, from an engine and a budget to its result
- `budget`: the limits of a search, and its working time
- `evaluator`: a candidate's way from the engine to its measurements, and back
- `archive`: the best of all evaluated candidates
- `store`: every evaluation in one SQLite file; a run is resumed by replaying it
- `chromosomes`: the candidates' chromosomes in that file, in few bytes
- `record`: what that file knows of the search
- `schema`: that file's tables, and checks of its rows
- `settled`: that file after the search, and the file of its working seconds
- `database`: connections to that file, and advice for its errors
- `progress`, `notebook`: what is shown while a run works, and in a notebook
- `profiling`: a trace of the first generations
"""

from pymoo_prune.search.archive import Archive
from pymoo_prune.search.budget import Budget
from pymoo_prune.search.evaluator import StoredEvaluator
from pymoo_prune.search.profiling import Profile
from pymoo_prune.search.progress import REFRESH, Board, Display, Relay, SearchReporter
from pymoo_prune.search.record import Record
from pymoo_prune.search.searching import First, Found, Step, search
from pymoo_prune.search.settled import settle, times_of
from pymoo_prune.search.store import Store

__all__ = [
    "REFRESH", "Archive", "Board", "Budget", "Display", "First", "Found", "Profile", "Record",
    "Relay", "SearchReporter", "Step", "Store", "StoredEvaluator", "search",
    "settle", "times_of",
]  # fmt: skip
