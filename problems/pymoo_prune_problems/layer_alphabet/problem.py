"""Layer alphabet: what does each layer become, pruned and with fewer bits?

A candidate has a letter for each convolution and linear layer: a kept share, a pattern, and the
bits of weights and inputs. Letters are made once, with their losses and their bytes, and candidates
are put together from them. This stands on:

- EvoPress (Sieberling, Kuznedelev, Kurtic and Alistarh, ICML 2025): an evolutionary search over a
  database of compressed layers, with level switches.
- SPDY (Frantar and Alistarh, ICML 2022): such a database, and its search by layer-wise losses.
- Optimal Brain Compression (Frantar, Singh and Alistarh, NeurIPS 2022) and GPTQ (Frantar,
  Ashkboos, Hoefler and Alistarh, ICLR 2023): weights removed and rounded one after the other, and
  those that are left make up for it.
- Deep Compression (Han, Mao and Dally, ICLR 2016): pruning, fewer bits and entropy coding, here
  by an asymmetric numeral system (Duda, 2013).

Beyond them: several objectives, sizes of files to the byte, and rivals in closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.data import Data
from pymoo_prune.inference import Precision
from pymoo_prune.measuring import Stacks, count_macs, stack_size
from pymoo_prune.networks import called_layers, unpack_attention
from pymoo_prune.objectives import (
    STANDARD,
    Constraint,
    Measured,
    Measurements,
    Objectives,
    Quantity,
    Values,
    one_by_one,
)
from pymoo_prune.operators import (
    Candidates,
    DigestDuplicates,
    Ladders,
    LetterMutation,
    UniformVectorCrossover,
)
from pymoo_prune.problem import (
    CHUNK,
    Approximation,
    Portions,
    Preset,
    Preview,
    PruningProblem,
    Published,
    Timing,
    accuracies_of,
    drop_of,
    objectives_on,
)
from pymoo_prune.pruning import MagnitudeOrder, SearchImages, balanced_images
from pymoo_prune.pruning.alphabets import (
    DEFAULT_LETTERS,
    DEFAULT_STEPS,
    EnergyTable,
    Letter,
    Lettered,
    Step,
    compressed,
    letters_of_layers,
    with_grids,
)
from pymoo_prune.training import Recipe, check_parent, train_parent
from pymoo_prune_problems.layer_alphabet.checks import (
    check_genes,
    check_images,
    name_of,
    read_energy,
    read_letters,
    read_steps,
)
from pymoo_prune_problems.layer_alphabet.populations import Alphabet
from pymoo_prune_problems.layer_alphabet.rivals import SimplerChoices
from pymoo_prune_problems.layer_alphabet.tables import Tables, header_of


class LayerAlphabet(PruningProblem):
    """Prunes weights and their bits: each layer gets a share, a pattern and a number of bits.

    Args:
        data: The images.
        parent: The trained network, any `nn.Module`; None trains `network`.
        network: Name of a network, as `pymoo-prune networks` lists them.
        parent_epochs: Epochs that this network is trained for.
        letters: What each layer may become: shares and patterns, an at sign, and bits, for example
            "1,0.5,0.25@32,8,4 2:4@8/8", with those of inputs after a slash; or letters.
        skip: Whether a layer goes without letters that it cannot have; otherwise they are refused.
        steps: What makes a letter, joined by a plus: "magnitude" or "loss", "refit", "nearest" or
            "feedback", "scales"; or functions.
        batch_norm: Whether batch-norm statistics are taken again for each candidate.
        entropy: Whether files have entropy coding where it is smaller.
        energy: An energy table, or the path of a JSON file with one; None is Horowitz's.
        search_images: Validation images that candidates are measured on.
        recovery_images: Training images for batch-norm statistics.
        precision: The search's precision: "float32", or "bfloat16" and "int8", which are faster;
            the front is measured again in float32.
        together: Candidates measured as one program; None is 1 on a processor, and 32 on a GPU.
        objectives: See `PruningProblem`.
        constraints: See `PruningProblem`.
        seed: The seed of the parent's training, and of the choice of images.
        progress: Called with the share of the parent's training that is done, then of the letters.
    """

    PARENT = Recipe(
        "sgd", 0.1, "one-cycle", 128, weight_decay=5e-4, crop=2, flip=True, bfloat16=True
    )
    """For parents that are trained here."""
    retraining = Recipe("sgd", 0.005, "linear", 128)

    compares = True
    parent: nn.Module
    rivals: SimplerChoices
    quantities: Mapping[str, Quantity] = {
        **STANDARD,
        "bytes": Quantity("lower", "bytes of the file"),
        "bit_operations": Quantity("lower", "bit operations"),
        "energy": Quantity("lower", "energy by the table (µJ)"),
    }
    timing = Timing(
        refused="there are no kernels here for these letters, whose networks run as fast as their "
        "parent; take bytes, macs, bit_operations or energy"
    )
    published: ClassVar[Published] = {
        "mnist": {
            "Deep Compression, LeNet-300-100 and LeNet-5 (Table 1)": {
                "bytes": (27_000, 44_000),
                "test_accuracy": (0.9842, 0.9926),
            }
        }
    }
    presets: ClassVar[Mapping[str, Preset]] = {
        "quick": Preset(
            "walks over letters, nearest to the parent for each number of bytes",
            {"network": "resnet-8", "parent_epochs": 15},
            algorithm="levels",
            objectives=("divergence", "bytes"),
            pop_size=40,
            generations=20,
        ),
        "three": Preset(
            "NSGA-II over divergence, bytes and bit operations, of a ResNet-20",
            {"network": "resnet-20"},
            objectives=("divergence", "bytes", "bit_operations"),
            pop_size=60,
            generations=30,
        ),
    }

    def __init__(
        self,
        data: Data,
        *,
        parent: nn.Module | None = None,
        network: str = "resnet-20",
        parent_epochs: float = 12.0,
        letters: str | Sequence[Letter] = DEFAULT_LETTERS,
        skip: bool = False,
        steps: str | Sequence[Step] = DEFAULT_STEPS,
        batch_norm: bool = True,
        entropy: bool = True,
        energy: EnergyTable | str | Path | None = None,
        search_images: int = 1_000,
        recovery_images: int = 256,
        precision: Precision = "float32",
        together: int | None = None,
        objectives: Objectives = ("accuracy", "bytes"),
        constraints: Sequence[Constraint | str] = (),
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        wanted = read_letters(letters)
        check_images(precision, search_images, recovery_images, wanted)
        making, table = read_steps(steps, wanted), read_energy(energy, wanted)
        size = stack_size(together, data.train.images.device, 32)
        objectives = objectives_on(data, type(self), objectives, constraints)
        if parent is None:
            parent = train_parent(
                data, network, parent_epochs, recipe=self.PARENT, seed=seed, progress=progress
            )
        self.parent = unpack_attention(check_parent(parent, data), data.train.images[:2])
        self.order = MagnitudeOrder(self.parent, data.shape)
        weights = dict(zip(self.order.names, self.order.weights, strict=True))
        called = called_layers(self.parent, data.train.images[:2])
        own = letters_of_layers(wanted, weights, skip=skip, called=called)
        self.assembly = Lettered(
            self.parent, self.order, data.train, own, making, batch_norm=batch_norm,
            entropy=entropy, images=recovery_images, precision=precision, seed=seed,
            progress=progress,
        )  # fmt: skip
        macs = count_macs(self.parent, data.shape)
        self.tables = Tables(self.assembly, self.order, table, macs)
        self.alphabet = Alphabet(self.tables)
        self.portions = Portions(max(CHUNK, size), size)
        self.stacks = Stacks.on(data.train.images.device, size)
        super().__init__(
            data, n_var=len(own), objectives=objectives, constraints=constraints, seed=seed,
            xl=0, xu=self.alphabet.last, vtype=int,
        )  # fmt: skip
        split = balanced_images(data, search_images, seed)
        self.search_images = SearchImages.prepared(split, self.assembly, self.parent)
        if precision != "float32":
            self.approximation = Approximation(self._measured_quickly)
        self.preview = Preview(sizes=self._sizes_of)
        self._aim(own)
        self.depends_on = {
            "letters": [str(one) for one in wanted],
            "steps": steps if isinstance(steps, str) else [name_of(step) for step in steps],
            "batch_norm": batch_norm,
            **({"entropy": True} if entropy else {}),
            "energy": asdict(table),
            "recovery_images": recovery_images,
            "precision": precision,
            "images": len(split),
            # Rounding depends on it.
            **({"together": size} if size > 1 else {}),
        }

    def operators(self) -> dict[str, Any]:
        """Sampling in closed form, uniform crossover, level switches, and duplicates by digest."""
        return {
            "sampling": Candidates(self._first),
            "crossover": UniformVectorCrossover(n_offsprings=2),
            "mutation": LetterMutation(self.alphabet.sizes_of("bytes")),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def with_goals(
        self,
        objectives: Objectives,
        *,
        constraints: Sequence[Constraint | str] | None = None,
        front: Sequence[str] = (),
    ) -> Self:
        """The same problem with other goals; ladders and rivals follow the sizes they name."""
        twin = super().with_goals(objectives, constraints=constraints, front=front)
        twin._aim(self.rivals.letters)  # noqa: SLF001 - its own
        return twin

    def _aim(self, letters: Sequence[Sequence[Letter]]) -> None:
        """Ladders go by the first size that the goals name, and rivals by all of them."""
        sizes, network = self._sizes_asked_for(), self.assembly.network
        self.ladders = Ladders(self.alphabet.ladder(sizes[0]))
        self.rivals = SimplerChoices(
            self.alphabet, letters, self.order, sizes, network=network, error=self._error
        )

    def _first(self, n: int, generator: np.random.Generator) -> Counts:
        known, parent = self.tables.each, self.parent_values
        bounds = {b.name: b.limit(parent) for b in self.goals.constraints if b.name in known}
        return self.alphabet.first(n, generator, self._sizes_asked_for(), bounds)

    def _sizes_asked_for(self) -> list[str]:
        asked = [*self.goals.searched, *(bound.name for bound in self.goals.constraints)]
        asked = ["parameters" if name == "sparsity" else name for name in asked]
        return [name for name in self.tables.each if name in asked] or ["bytes"]

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random letters of every layer, around random totals."""
        return self.alphabet.random(n, generator)

    # Measuring.

    def measure(self, X: Array) -> Measurements:
        """Measures on all search images, in float32."""
        return self._measured(X, exact=True)

    def _measured_quickly(self, X: Array, batch: int) -> Measurements:  # noqa: ARG002
        """Measures with the search's precision."""
        return self._measured(X, exact=False)

    def _measured(self, X: Array, *, exact: bool) -> Measurements:
        places, images = self.decode(X), self.search_images
        if self.portions.together > 1:
            rows = self.stacks.run(
                len(X),
                lambda some: images.measured_together(
                    self.assembly, places[some], self.judged, exact=exact
                ),
            )
            found = Measured(dict(zip(self.judged, np.array(rows).T, strict=True)), {})
        else:
            found = one_by_one(
                self.judged,
                lambda row: images.measured(self.assembly, row, self.judged, exact=exact),
                places,
            )
        return found | {**drop_of(images.parent_accuracy, found), **self.tables.sizes(places)}

    def _sizes_of(self, X: Array) -> dict[str, Values]:
        """Sizes, which are known without measuring."""
        return self.tables.sizes(self.decode(X))

    def decode(self, X: Array) -> Counts:
        """The places of letters in each layer's alphabet, checked, (n, layers)."""
        check_genes(X, self.order.names, self.alphabet.last)
        return self.alphabet.decode(X.astype(np.int64))

    def letters(self, x: Array) -> dict[str, Letter]:
        """The letter of each layer of a candidate, by path.

        Args:
            x: The chromosome, (n_var,).
        """
        places = self.decode(x[None])[0].tolist()
        known = self.assembly.database.letters
        pairs = zip(self.order.names, known, places, strict=True)
        return {name: letters[place] for name, letters, place in pairs}

    def parent_measurements(self) -> Mapping[str, float]:
        """The parent on the search images; its bytes are those of its parameters as floats."""
        images = self.search_images
        known = accuracies_of(images.parent_accuracy, images.split.task.judge)
        return {**known, **self.tables.parent, "sparsity": 0.0}

    def network(self, x: Array) -> nn.Module:
        """The network with its letters as floats."""
        return self.assembly.network(self.decode(x[None])[0])

    def packed(self, x: Array) -> bytes:
        """The content of a candidate's file, as long as its `bytes` say.

        Args:
            x: The chromosome, (n_var,).
        """
        network = self.network(x)
        return compressed(network, header_of(network), entropy=self.assembly.database.entropy)

    def finished(self, network: nn.Module, *, images: int, seed: int) -> nn.Module:
        """A network after gradient steps, which keep its zeros and the grids of its weights."""
        return with_grids(
            network, lambda one: super(LayerAlphabet, self).finished(one, images=images, seed=seed)
        )

    def _error(self, places: Array) -> float:
        """The divergence of a choice of letters on the search images."""
        found = self.search_images.measured(self.assembly, places, ("divergence",), exact=True)
        return found["divergence"]
