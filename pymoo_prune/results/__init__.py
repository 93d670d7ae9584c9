"""What a search leaves: a front, what it is compared with, and networks to carry away.

- `front`: the networks of a front; look at them, choose one
- `finishing`: retraining and the test
- `baselines`: what simpler methods give, with the same retraining
- `ticket`: one network retrained at length, beside its parent
- `carried`: a network in a folder of its own, with what is known of it
- `network_files`: networks as files of weights and a description
- `onnx_files`, `quantization`: networks for other runtimes, in float32 and in eight bits
"""

from pymoo_prune.results.baselines import RANDOM, baseline_series, simple_series
from pymoo_prune.results.carried import Carried, carry, check_formats
from pymoo_prune.results.finishing import final_accuracies, finisher
from pymoo_prune.results.front import (
    ACCURACIES,
    EVALUATION,
    Front,
    Member,
    csv_text,
    published_series,
    read_csv,
)
from pymoo_prune.results.network_files import is_exported, load_network, save_network
from pymoo_prune.results.onnx_files import (
    OnnxFile,
    OnnxNetwork,
    OnnxReport,
    export_onnx,
    onnx_network,
)
from pymoo_prune.results.ticket import Appraisal, WinningTicket, appraise, winning_ticket

__all__ = [
    "ACCURACIES", "EVALUATION", "RANDOM", "Appraisal", "Carried", "Front", "Member", "OnnxFile",
    "OnnxNetwork", "OnnxReport", "WinningTicket", "appraise", "baseline_series", "carry",
    "check_formats", "csv_text", "export_onnx", "final_accuracies", "finisher", "is_exported",
    "load_network", "onnx_network", "published_series", "read_csv", "save_network",
    "simple_series", "winning_ticket",
]  # fmt: skip
