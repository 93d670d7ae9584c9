"""Results of a search: a front, what it is compared with, and networks to carry away.

- `front`, `member`: the networks of a front, and one of them
- `choosing`, `front_tables`, `quantities`: choosing one of them, fronts as CSV and text, and the
  quantities that are known after the search
- `finishing`, `finished_networks`: retraining and testing, and what it made in one file
- `baselines`, `first_population`, `gain`: what a front is compared with, and what the search adds
- `appraisal`, `ticket`, `ticket_words`: finished networks measured side by side, one network
  retrained at length beside its parent, and what is said of it
- `showing`: what a front shows in a notebook
- `history`: whether all measurements of a search can be compared
- `exporting`, `carried`: a network in a folder of its own, with its measurements and a page
- `network_files`, `shapes`: networks as files of weights and a description, and its shape
- `onnx_files`, `quantization`, `onnx_report`: networks for other runtimes, in float32 and in eight
  bits, and their measurements there
- `onnx_parents`: networks to prune from ONNX files
"""

from pymoo_prune.results.appraisal import Appraisal, appraise
from pymoo_prune.results.baselines import RANDOM, baseline_series, published_series, simple_series
from pymoo_prune.results.carried import Carried
from pymoo_prune.results.choosing import Choice, Suggestion, no_fittest, suggest
from pymoo_prune.results.exporting import carry, check_formats
from pymoo_prune.results.finished_networks import FinishedNetworks, Finishing, Keeper
from pymoo_prune.results.finishing import Judge, final_accuracies, finisher
from pymoo_prune.results.first_population import FIRST_POPULATION, FirstPopulation
from pymoo_prune.results.front import Front
from pymoo_prune.results.front_tables import csv_text, read_csv
from pymoo_prune.results.gain import Gain, stacked, there_before
from pymoo_prune.results.history import comparable
from pymoo_prune.results.member import Member
from pymoo_prune.results.network_files import (
    can_be_saved,
    is_exported,
    load_network,
    load_weights,
    needs_own,
    save_compressed,
    save_network,
    save_weights,
    unknown_kind_in,
)
from pymoo_prune.results.onnx_files import OnnxNetwork, export_onnx, onnx_network
from pymoo_prune.results.onnx_parents import is_onnx, load_onnx
from pymoo_prune.results.onnx_report import OnnxFile, OnnxReport
from pymoo_prune.results.quantities import ACCURACIES, EVALUATION, FINAL, Judged, final_of
from pymoo_prune.results.ticket import WinningTicket, winning_ticket

__all__ = [
    "ACCURACIES", "EVALUATION", "FINAL", "FIRST_POPULATION", "RANDOM", "Appraisal", "Carried",
    "Choice", "FinishedNetworks", "Finishing", "FirstPopulation", "Front", "Gain", "Judge",
    "Judged", "Keeper", "Member", "OnnxFile", "OnnxNetwork", "OnnxReport", "Suggestion",
    "WinningTicket", "appraise", "baseline_series", "can_be_saved", "carry", "check_formats",
    "comparable", "csv_text", "export_onnx", "final_accuracies", "final_of", "finisher",
    "is_exported", "is_onnx", "load_network", "load_onnx", "load_weights", "needs_own",
    "no_fittest", "onnx_network", "published_series", "read_csv", "save_compressed", "save_network",
    "save_weights", "simple_series", "stacked", "suggest", "there_before", "unknown_kind_in",
    "winning_ticket",
]  # fmt: skip
