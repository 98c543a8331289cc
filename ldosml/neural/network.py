"""The whole network: crystals and k-points in, occupancy of energy bins out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ldosml._validation import check_choice
from ldosml.neural.bloch import BlochEmbedding
from ldosml.neural.crystals import Crystal, Floats, point_group
from ldosml.neural.decoder import OccupancyDecoder, Outputs
from ldosml.neural.encoder import CrystalEncoder, Encoded
from ldosml.neural.graph import GraphBatch
from ldosml.neural.tight_binding import WIDTHS, TightBindingParameters

Preset = Literal["small", "paper"]
FirstGuess = Literal["fitted", "universal", "none"]

_MOST_OPERATIONS = 48  # of a crystal, as the order of every point group divides


@dataclass(frozen=True)
class OccupancyConfig:
    """Everything that makes a network but its weights.

    Parameters
    ----------
    n_bins : int
        Energy bins, a multiple of ``patch``.
    d : int
        Length of features, a multiple of ``n_heads``.
    n_layers : int
        Of the encoder, on atoms; one on edges comes on top.
    n_radial : int
        Gaussians that distances and angles are expanded in.
    n_neighbors : int
        At least as many edges lead to each atom.
    n_blocks, n_heads, multiplier : int
        Of the decoder: blocks, heads of attention, width of the feed-forward layer in ``d``.
    patch : int
        Neighbouring bins that share one token.
    counts : bool
        Also give the expected number of states in each bin.
    time_reversal : bool
        Be even in k exactly, as bands without magnetism are.
    point_group : bool
        Have the symmetry of each crystal in k exactly; also at k-points outside the irreducible part that was learned.
    periodic_table : bool
        Begin with elements as their places in the periodic table and their atomic levels make them, not at random.
    n_bloch : int
        Functions of distance for each l in the sums over neighbours with Bloch's phases (``BlochEmbedding``), which
        have all these symmetries by themselves. 0: as in the paper, the network knows of k by the embedding of its
        fractions alone.
    mixing : bool
        Mix what is known of crystal and k-point before the tokens of energy get it, each in its own way (``Mixing``);
        otherwise, as in the paper, they all get its sum.
    dropout : float
        Part of the inner features of the decoder's layers that is left out at random in training.
    anywhere : bool
        Also tell for each bin, once for a crystal, whether it holds a state at any k-point: what a gap is read from.
    tight_binding : {"fitted", "universal", "none"}
        Begin from what tight binding says of each k-point (``first_guess``): fitted to the training crystals before the
        network is trained (``fit_tight_binding``), or Harrison's without a fit.

    Raises
    ------
    ValueError
        When a number is not a whole one above zero, or does not divide as it must.
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
            raise ValueError(f"n_bloch of a network must be a whole number, 0 or above; got {self.n_bloch!r}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout of a network must be from 0 to below 1; got {self.dropout!r}.")
        check_choice("tight_binding of a network", self.tight_binding, get_args(FirstGuess))
        for whole, part in (("n_bins", "patch"), ("d", "n_heads")):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"{whole} of a network must be a multiple of {part}; got {getattr(self, whole)} and "
                    f"{getattr(self, part)}."
                )

    @classmethod
    def preset(cls, name: Preset) -> OccupancyConfig:
        """A network by name.

        "paper" is that of Park et al., appendix A.1, with 25 neighbours as iComFormer has them, and without what we
        add: tight binding, Bloch sums, mixing, periodic table, dropout, the query of anywhere. It wants a GPU. Labels,
        symmetry and training are the regressor's (``AS_IN_THE_PAPER``). What makes any network train sooner stays: it
        begins at the mean labels, with a wider embedding of k, and gradients are clipped.
        "small" is for a CPU: 40 epochs of 484 crystals of 1 to 5 atoms took seven minutes on a core of an AMD EPYC by
        ``ldosml train-occupancy``, the fit of tight binding included.

        Raises ValueError when there is no such preset.
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


class OccupancyNetwork(nn.Module):
    """Encoder and decoder. The encoder runs once for a crystal, the decoder for each of its k-points.

    Parameters
    ----------
    config : OccupancyConfig
    seed : int
        Of the weights.
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

        for field in fields(TightBindingParameters):  # not trained with the rest, but kept with it
            start = getattr(TightBindingParameters.universal(), field.name)
            self.register_buffer(f"tight_binding_{field.name}", torch.from_numpy(start))

    @property
    def tight_binding(self) -> TightBindingParameters:
        """What the first guess is made with."""
        values = {f.name: getattr(self, f"tight_binding_{f.name}") for f in fields(TightBindingParameters)}
        return TightBindingParameters(**{name: value.cpu().numpy() for name, value in values.items()})

    @tight_binding.setter
    def tight_binding(self, parameters: TightBindingParameters) -> None:
        for field in fields(parameters):
            value = torch.from_numpy(getattr(parameters, field.name))
            getattr(self, f"tight_binding_{field.name}").copy_(value)

    def forward(self, graph: GraphBatch, images: Tensor, guess: Tensor) -> Outputs:
        """Logits and counts at k-points, of which ``images`` (n_crystals, n_kpoints, n_images, 3) are given.

        guess (n_crystals, n_kpoints + 1, n_widths, n_bins): by tight binding, that of the whole zone last.
        """
        return self.decode(self.encoder(graph), graph, images, guess)

    def decode(self, encoded: Encoded, graph: GraphBatch, images: Tensor, guess: Tensor) -> Outputs:
        """As ``forward``, from what ``encoder`` made of the crystals."""
        atoms = graph.to_rows(encoded.atoms)
        bloch = None
        if self.bloch is not None:  # every image gives the same
            kpoints = images[:, :, 0]
            bloch = self.bloch(kpoints, encoded.elements, encoded.distances, atoms.sum(dim=1), graph)
        decoded: Outputs = self.decoder(atoms, graph.mask, images, guess, bloch)
        return decoded


def operations(crystal: Crystal, config: OccupancyConfig) -> Floats:
    """Operations on k-points that the network averages over, (n, 3, 3), as many for every crystal."""
    found = point_group(crystal).astype(np.float64) if config.point_group else np.eye(3)[None]
    if config.time_reversal:
        found = np.unique(np.concatenate([found, -found]), axis=0)
    most = _MOST_OPERATIONS if config.point_group else 1 + config.time_reversal
    return np.tile(found, (most // len(found), 1, 1))


def kpoint_images(kpoints: Floats, operations: Floats) -> Tensor:
    """Images of k-points (n_kpoints, 3), from -1/2 to 1/2, (n_kpoints, n_operations, 3), in single precision.

    Whole reciprocal lattice vectors are taken off before anything is rounded.
    """
    images = np.einsum("oij,kj->koi", operations, kpoints)
    return torch.from_numpy((images - np.round(images)).astype(np.float32))
