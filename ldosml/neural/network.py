"""The network: from crystals and k-points to the occupancy of energy bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ldosml._validation import check_choice
from ldosml.neural.bloch import BlochEmbedding
from ldosml.neural.crystals import Crystal, Floats, point_group
from ldosml.neural.decoder import OccupancyDecoder, Outputs
from ldosml.neural.encoder import CrystalEncoder, Encoded
from ldosml.neural.graph import GraphBatch
from ldosml.neural.tight_binding import WIDTHS
from ldosml.neural.tight_binding_buffers import TightBindingBuffers

Preset = Literal["small", "paper"]
FirstGuess = Literal["fitted", "universal", "none"]

_MOST_OPERATIONS = 48  # the order of every point group divides this


@dataclass(frozen=True)
class OccupancyConfig:
    """Architecture of a network.

    Parameters
    ----------
    n_bins : int
        Number of energy bins, a multiple of ``patch``.
    d : int
        Length of features, a multiple of ``n_heads``.
    n_layers : int
        Layers of the encoder on atoms; there is one more layer on edges.
    n_radial : int
        Number of Gaussians in which distances and angles are expanded.
    n_neighbors : int
        Smallest number of neighbours of each atom in the graph.
    n_blocks, n_heads, multiplier : int
        Decoder: number of blocks, heads of attention, and width of the feed-forward layer in units of ``d``.
    patch : int
        Number of neighbouring bins that share one token.
    counts : bool
        Also predict the expected number of states in each bin.
    time_reversal : bool
        Be exactly even in k, as bands without magnetism are.
    point_group : bool
        Have exactly the point group of each crystal in k.
    periodic_table : bool
        Initialise elements by their places in the periodic table and their atomic levels instead of at random.
    n_bloch : int
        Number of functions of distance for each l in the sums over neighbours with Bloch phases (``BlochEmbedding``),
        which have these symmetries by construction. 0: as in the paper, k enters only by its fractions.
    mixing : bool
        Process the features of crystal and k-point by a few layers, separately for each token (``Mixing``); otherwise,
        as in the paper, every token gets their sum.
    dropout : float
        Fraction of the inner features of the decoder that is left out at random in training.
    anywhere : bool
        Also predict for each bin whether it holds a state at any k-point of the zone; gaps are read from this.
    tight_binding : {"fitted", "universal", "none"}
        First guess at each k-point (``first_guess``): tight binding fitted to the training crystals
        (``fit_tight_binding``), Harrison's universal tight binding, or none.

    Raises
    ------
    ValueError
        When a number is not a positive integer, or is not a multiple where it must be.
    """

    n_bins: int = 256
    d: int = 128
    n_layers: int = 3
    n_radial: int = 64
    n_neighbors: int = 12
    n_blocks: int = 1
    n_heads: int = 4
    multiplier: int = 4
    patch: int = 8
    counts: bool = True
    time_reversal: bool = True
    point_group: bool = True
    periodic_table: bool = True
    n_bloch: int = 16
    mixing: bool = True
    dropout: float = 0.1
    anywhere: bool = True
    tight_binding: FirstGuess = "fitted"

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in (
            "n_bins",
            "d",
            "n_layers",
            "n_radial",
            "n_neighbors",
            "n_blocks",
            "n_heads",
            "multiplier",
            "patch",
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1 + (name == "n_radial"):
                least = "above one" if name == "n_radial" else "above zero"
                raise ValueError(f"{name} of a network must be a whole number {least}; got {value!r}.")
        if isinstance(self.n_bloch, bool) or not isinstance(self.n_bloch, int | np.integer) or self.n_bloch < 0:
            raise ValueError(f"n_bloch of a network must be a whole number, at least 0; got {self.n_bloch!r}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout of a network must be at least 0 and below 1; got {self.dropout!r}.")
        check_choice("tight_binding of a network", self.tight_binding, get_args(FirstGuess))
        for whole, part in (("n_bins", "patch"), ("d", "n_heads")):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"{whole} of a network must be a multiple of {part}; got {getattr(self, whole)} and "
                    f"{getattr(self, part)}."
                )

    @classmethod
    def preset(cls, name: Preset) -> OccupancyConfig:
        """Make a configuration by name.

        Parameters
        ----------
        name : {"small", "paper"}
            "small" is for a CPU: with ``ldosml train-occupancy``, 40 epochs of 484 crystals of 1 to 5 atoms took seven
            minutes on one core of an AMD EPYC, including the fit of tight binding.
            "paper" is the network of Park et al., appendix A.1, with 25 neighbours as in iComFormer, and without tight
            binding, Bloch sums, mixing, periodic table, dropout and ``anywhere``. It needs a GPU. Labels, symmetry and
            training are in ``PAPER_PARAMETERS``. Three changes that speed up training remain: the outputs start at the
            mean labels, the embedding of k is wider, and gradients are clipped.

        Returns
        -------
        OccupancyConfig

        Raises
        ------
        ValueError
            When there is no such preset.
        """
        check_choice("preset", name, get_args(Preset))
        if name == "small":
            return cls()
        return cls(
            d=256,
            n_layers=4,
            n_radial=256,
            n_neighbors=25,
            n_blocks=4,
            n_heads=8,
            patch=4,
            periodic_table=False,
            n_bloch=0,
            mixing=False,
            dropout=0.0,
            anywhere=False,
            tight_binding="none",
        )


class OccupancyNetwork(TightBindingBuffers):
    """Encoder, which runs once for a crystal, and decoder, which runs for each of its k-points.

    Parameters
    ----------
    config : OccupancyConfig
        The architecture.
    seed : int
        Seed of the initial weights.
    """

    def __init__(self, config: OccupancyConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = CrystalEncoder(config.d, config.n_layers, config.n_radial, config.periodic_table)
            self.decoder = OccupancyDecoder(
                config.d,
                config.n_blocks,
                config.n_heads,
                config.multiplier,
                config.n_bins,
                config.patch,
                config.counts,
                config.mixing,
                config.dropout,
                config.anywhere,
                len(WIDTHS) if config.tight_binding != "none" else 0,
            )
            self.bloch = BlochEmbedding(config.d, config.n_bloch) if config.n_bloch else None

    def forward(self, graph: GraphBatch, images: Tensor, guess: Tensor) -> Outputs:
        """Logits and counts at k-points, given by their ``images`` (n_crystals, n_kpoints, n_images, 3).

        guess (n_crystals, n_kpoints + 1, n_widths, n_bins): from tight binding, the guess for the whole zone last.
        """
        return self.decode(self.encoder(graph), graph, images, guess)

    def decode(self, encoded: Encoded, graph: GraphBatch, images: Tensor, guess: Tensor) -> Outputs:
        """As ``forward``, from the output of ``encoder``."""
        atoms = graph.to_rows(encoded.atoms)
        bloch = None
        if self.bloch is not None:  # the sums are the same at every image
            kpoints = images[:, :, 0]
            bloch = self.bloch(kpoints, encoded.elements, encoded.distances, atoms.sum(dim=1), graph)
        decoded: Outputs = self.decoder(atoms, graph.mask, images, guess, bloch)
        return decoded


def operations(crystal: Crystal, config: OccupancyConfig) -> Floats:
    """Operations on k-points over which the network averages, (n, 3, 3); their number is the same for all crystals."""
    found = point_group(crystal).astype(np.float64) if config.point_group else np.eye(3)[None]
    if config.time_reversal:
        found = np.unique(np.concatenate([found, -found]), axis=0)
    most = _MOST_OPERATIONS if config.point_group else 1 + config.time_reversal
    return np.tile(found, (most // len(found), 1, 1))


def kpoint_images(kpoints: Floats, operations: Floats) -> Tensor:
    """Images of k-points (n_kpoints, 3), between -1/2 and 1/2, (n_kpoints, n_operations, 3), in single precision.

    Reciprocal lattice vectors are subtracted in double precision.
    """
    images = np.einsum("oij,kj->koi", operations, kpoints)
    return torch.from_numpy((images - np.round(images)).astype(np.float32))
