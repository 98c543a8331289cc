"""Network of ``BandTransformer``: a graph transformer reads a crystal, a decoder writes its bands along a path.

After *Graph Transformer Networks for Accurate Band Structure Prediction: An End-to-End Approach* (Bandformer). Our text
of the paper has neither the sizes of layers nor the formula of the encoding of k-points. ``BandTransformerConfig`` says
what stands here instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from scipy.fft import dct
from torch import Tensor, nn

from ldosml._validation import check_choice, check_positive
from ldosml.neural.bloch import BlochEmbedding
from ldosml.neural.crystals import Crystal, Floats, point_group
from ldosml.neural.decoder import DecoderBlock, KPointEmbedding, feed_forward
from ldosml.neural.elements import ElementEmbedding
from ldosml.neural.encoder import GaussianBasis
from ldosml.neural.graph import GraphBatch
from ldosml.neural.network import FirstGuess
from ldosml.neural.optimization import check_weight, check_whole
from ldosml.neural.tight_binding_buffers import TightBindingBuffers

BandPreset = Literal["small", "paper"]

_BESIDE = 2  # bands of tight binding on each side
_UNIT = 5.0  # eV, in which the network gets bands of tight binding
_MOST_IMAGES = 48  # the order of every point group with inversion divides this
_PERIOD = 10_000.0  # ratio of the longest period of the encoding to the shortest, as in Vaswani et al.


@dataclass(frozen=True)
class BandTransformerConfig:
    """Architecture of a ``BandTransformer``, and what it learns.

    Parameters
    ----------
    n_bands : int
        Number of bands, even; half of them end with the highest band that holds electrons.
    n_kpoints : int
        Number of k-points of the path.
    smoothing : float
        Standard deviation of the Gaussian that smooths the bands along the path, in steps between k-points.
    d : int
        Length of features, a multiple of ``n_heads``.
    n_layers, n_blocks : int
        Layers of the encoder, and blocks of the decoder.
    n_heads, multiplier : int
        Heads of attention, and width of feed-forward layers in units of ``d``.
    n_neighbors : int
        Neighbours of each atom in the graph; more where several are equally far.
    radius : float
        Largest distance of neighbours, angstrom.
    n_radial : int
        Number of Gaussians in which distances are expanded.
    elements : {"properties", "one-hot"}
        Features of elements: their places in the periodic table, radii and levels (``ElementEmbedding``), or a vector
        for each element.
    n_frequencies : int
        Number of frequencies w of the encoding of k-points, sin and cos of 2 pi k_j w for each fraction k_j, with
        w = 10000^(-i / n), i from 0. This is the encoding of Cui et al., J. Phys. Chem. Lett. 14, 7923 (2023), which
        the paper cites.
    symmetric : bool
        Encode k-points by the mean over all k-points that the point group and time reversal make equivalent
        (``KPointEmbedding``) instead: then the bands have the symmetry of the crystal.
    n_bloch : int
        Number of functions of distance for each l in sums over neighbours with Bloch phases (``BlochEmbedding``), which
        are added to the encoding of k-points. 0: none.
    n_cosines : int or None
        Predict only so many of the lowest frequencies of a cosine transform of each band along the path; None: the
        value at each k-point. The paper discusses such a transform; its number of frequencies is not told.
    tight_binding : {"fitted", "universal", "none"}
        First guess: tight binding fitted to the training crystals (``fit_tight_binding``), Harrison's universal tight
        binding, or none as in the paper. The network then gets ten bands of tight binding at each k-point, and predicts
        the difference to six of them.
    dropout : float
        Fraction of the inner features of the network that is left out at random in training.

    Raises
    ------
    ValueError
        When a number is out of its range, or is not a multiple where it must be.
    """

    n_bands: int = 6
    n_kpoints: int = 256
    smoothing: float = 0.0
    d: int = 48
    n_layers: int = 2
    n_blocks: int = 1
    n_heads: int = 4
    multiplier: int = 2
    n_neighbors: int = 12
    radius: float = 8.0
    n_radial: int = 64
    elements: Literal["properties", "one-hot"] = "properties"
    n_frequencies: int = 8
    symmetric: bool = True
    n_bloch: int = 16
    n_cosines: int | None = None
    tight_binding: FirstGuess = "fitted"
    dropout: float = 0.2

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, least in (
            ("n_bands", 2),
            ("n_kpoints", 2),
            ("d", 1),
            ("n_layers", 1),
            ("n_blocks", 1),
            ("n_heads", 1),
            ("multiplier", 1),
            ("n_neighbors", 1),
            ("n_radial", 2),
            ("n_frequencies", 1),
            ("n_bloch", 0),
        ):
            check_whole(name, getattr(self, name), least)
        check_positive("radius", self.radius, "angstrom")
        check_weight("smoothing", self.smoothing)
        check_choice("elements", self.elements, ("properties", "one-hot"))
        check_choice("tight_binding of a network", self.tight_binding, get_args(FirstGuess))
        if self.n_cosines is not None:
            check_whole("n_cosines", self.n_cosines, 1)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout of a network must be at least 0 and below 1; got {self.dropout!r}.")
        if self.n_bands % 2:
            raise ValueError(f"n_bands must be even: half of the bands hold electrons; got {self.n_bands!r}.")
        if self.d % self.n_heads:
            raise ValueError(f"d of a network must be a multiple of n_heads; got {self.d} and {self.n_heads}.")

    @property
    def n_guesses(self) -> int:
        """Number of bands of tight binding: two more on each side, as it may count other bands as filled."""
        return 0 if self.tight_binding == "none" else self.n_bands + 2 * _BESIDE

    @classmethod
    def preset(cls, name: BandPreset) -> BandTransformerConfig:
        """Make a configuration by name.

        Parameters
        ----------
        name : {"small", "paper"}
            "small" is for hundreds of crystals on a CPU: 484 crystals of 1 to 5 atoms took about 12 minutes on one
            core, half of it to interpolate their bands and to fit tight binding.
            "paper" is the network of the paper: 6 bands at 256 k-points, 12 neighbours within 8 angstrom, and the
            encoding of k-points that it cites, without symmetry, Bloch sums and tight binding. Its text gives no other
            number; 4 layers, 4 blocks, 8 heads, 256 features and dropout of 0.1 are our choice, and so is the smoothing
            by one step.

        Returns
        -------
        BandTransformerConfig

        Raises
        ------
        ValueError
            When there is no such preset.
        """
        check_choice("preset", name, ("small", "paper"))
        if name == "small":
            return cls()
        return cls(
            smoothing=1.0,
            d=256,
            n_layers=4,
            n_blocks=4,
            n_heads=8,
            multiplier=4,
            n_frequencies=16,
            symmetric=False,
            n_bloch=0,
            tight_binding="none",
            dropout=0.1,
        )


class EncoderLayer(nn.Module):
    """Attention of each atom to its neighbours, then a feed-forward layer; both residual, with normalisation first.

    a_ij = softmax_j(q_i . k_j / sqrt(d) + b(e_ij)) and h_i += W sum_j a_ij (v_j + e_ij), for each head. The feature of
    the edge is an addition to the attention, as in the paper and in Graphormer. It is also added to the value, as in
    Xtal2DoS: otherwise distances would have no effect where all neighbours of an atom are alike.
    """

    def __init__(self, d: int, n_heads: int, multiplier: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.edge = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.bias, self.out = nn.Linear(d, n_heads, bias=False), nn.Linear(d, d)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(2))
        self.feed_forward = feed_forward(d, multiplier, dropout)
        self._heads = n_heads

    def forward(self, atoms: Tensor, edges: Tensor, graph: GraphBatch) -> Tensor:
        """New features of atoms from the features of atoms (n_atoms, d) and edges (n_edges, d)."""
        normed = self.norms[0](atoms)
        query, key, value = (
            layer(normed).unflatten(-1, (self._heads, -1)) for layer in (self.query, self.key, self.value)
        )  # (n_atoms, heads, d / heads)
        product = (query[graph.targets] * key[graph.sources]).sum(dim=-1) / query.shape[-1] ** 0.5
        weights = softmax_by(graph.targets, product + self.bias(edges), len(atoms))  # (n_edges, heads)
        messages = value[graph.sources] + self.edge(edges).unflatten(-1, (self._heads, -1))
        received = torch.zeros_like(query).index_add(0, graph.targets, weights[..., None] * messages)
        atoms = atoms + self.out(received.flatten(1))
        result: Tensor = atoms + self.feed_forward(self.norms[1](atoms))
        return result


def softmax_by(group: Tensor, scores: Tensor, n_groups: int) -> Tensor:
    """Softmax of scores (n, m) over the rows with the same ``group`` (n,)."""
    places = group[:, None].expand_as(scores)
    largest = scores.new_full((n_groups, scores.shape[1]), -torch.inf).scatter_reduce(
        0, places, scores.detach(), "amax"
    )
    exponentials = (scores - largest[group]).exp()
    sums = scores.new_zeros(n_groups, scores.shape[1]).index_add(0, group, exponentials)
    return exponentials / sums[group]


class PositionalEncoding(nn.Module):
    """h_k = W [sin 2 pi k_j w_i, cos 2 pi k_j w_i], with the frequencies of ``BandTransformerConfig``: (..., d)."""

    frequencies: Tensor

    def __init__(self, d: int, n: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", _PERIOD ** (-torch.arange(n) / n), persistent=False)
        self.linear = nn.Linear(6 * n, d)

    def forward(self, images: Tensor) -> Tensor:
        """Features (..., d) of k-points (..., n_images, 3); only the first image, the k-point itself, counts."""
        phases = (2 * torch.pi * images[..., 0, :, None] * self.frequencies).flatten(-2)  # (..., 3 n)
        result: Tensor = self.linear(torch.cat([phases.sin(), phases.cos()], dim=-1))
        return result


class BandScale(NamedTuple):
    """Means over crystals at which the outputs start, all (n_bands,), eV.

    centers: mean of band centres, the guess where tight binding gives none; spreads, dispersion: mean differences of
    centres and of dispersions to the guess; wide_spreads, wide_dispersion: the same where there is none.
    """

    centers: Tensor
    spreads: Tensor
    dispersion: Tensor
    wide_spreads: Tensor
    wide_dispersion: Tensor


class BandNetwork(TightBindingBuffers):
    """Centres (n_crystals, n_bands) and dispersions (n_crystals, n_kpoints, n_bands) of bands, eV.

    Parameters
    ----------
    config : BandTransformerConfig
        The architecture.
    seed : int
        Seed of the initial weights.
    """

    scale: Tensor

    def __init__(self, config: BandTransformerConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        d = config.d
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.elements = ElementEmbedding(d, config.elements == "properties")
            self.radial = GaussianBasis(config.n_radial, 0.0, config.radius, d)
            self.layers = nn.ModuleList(
                EncoderLayer(d, config.n_heads, config.multiplier, config.dropout) for _ in range(config.n_layers)
            )
            self.kpoint = KPointEmbedding(d) if config.symmetric else PositionalEncoding(d, config.n_frequencies)
            self.bloch = BlochEmbedding(d, config.n_bloch) if config.n_bloch else None
            self.blocks = nn.ModuleList(
                DecoderBlock(d, config.n_heads, config.multiplier, config.dropout) for _ in range(config.n_blocks)
            )
            self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(2))
            self.guess = _perceptron(2 * config.n_guesses, d, d) if config.n_guesses else None
            self.center = _perceptron(2 * d, d, config.n_bands)
            self.dispersion = _perceptron(d, d, config.n_bands)
        self.register_buffer("scale", torch.ones(len(BandScale._fields), config.n_bands))

    def start_at(self, scale: BandScale) -> None:
        """Give the outputs the mean and the spread of the training crystals."""
        self.scale.copy_(torch.stack(scale))

    def forward(self, graph: GraphBatch, images: Tensor, guess: Tensor) -> tuple[Tensor, Tensor]:
        """Centres and dispersions at k-points, given by their ``images`` (n_crystals, n_kpoints, n_images, 3).

        guess (n_crystals, n_kpoints, n_guesses): bands of tight binding, eV; NaN where there are none.
        """
        elements, edges = self.elements(graph.numbers), self.radial(graph.distances)
        atoms = elements
        for layer in self.layers:
            atoms = layer(atoms, edges, graph)
        rows = graph.to_rows(self.norms[0](atoms))  # (n_crystals, n_most, d)
        pooled = rows.sum(dim=1) / graph.mask.sum(dim=1, keepdim=True)
        tokens = self.kpoint(images) + pooled[:, None]
        if self.bloch is not None:
            tokens = tokens + self.bloch(images[:, :, 0], elements, edges, pooled, graph)
        if self.guess is not None:
            exists = guess.isfinite()
            both = torch.cat([guess.nan_to_num(0.0) / _UNIT, exists.to(guess)], dim=-1)
            tokens = tokens + self.guess(both)
        tokens = tokens[:, None]  # blocks take several sequences for each crystal
        for block in self.blocks:
            tokens = block(tokens, rows, graph.mask)
        tokens = self.norms[1](tokens[:, 0])  # (n_crystals, n_kpoints, d)
        centers = self.center(torch.cat([tokens.mean(dim=1), pooled], dim=-1))
        dispersions = self._frequencies(tokens) @ self.dispersion(tokens)
        scale = BandScale(*self.scale)
        base, guessed = starting_bands(guess, scale.centers)
        mean = base.mean(dim=1)
        sizes = torch.where(guessed, scale.dispersion, scale.wide_dispersion)[:, None]
        spreads = torch.where(guessed, scale.spreads, scale.wide_spreads)
        return mean + spreads * centers, base - mean[:, None] + sizes * dispersions

    def _frequencies(self, tokens: Tensor) -> Tensor:
        """Projection (n_kpoints, n_kpoints) onto the frequencies of the cosine transform, without the mean."""
        n = tokens.shape[1]
        waves = dct(np.eye(n), norm="ortho", axis=0)[1 : (self.config.n_cosines or n) + 1]
        return torch.from_numpy(waves.T @ waves).to(tokens)


def starting_bands(guess: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Bands (n_crystals, n_kpoints, n_bands) of the guess, and where it has them, (n_crystals, n_bands).

    Bands that it does not have are at the mean centres (n_bands,).
    """
    if not guess.shape[-1]:
        return centers.expand(*guess.shape[:2], -1), centers.new_zeros(len(guess), len(centers), dtype=torch.bool)
    inner = guess[..., _BESIDE:-_BESIDE]
    guessed = inner.isfinite().all(dim=1)
    return torch.where(guessed[:, None], inner, centers), guessed


def _perceptron(d_in: int, d: int, d_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d_in, d), nn.SiLU(), nn.Linear(d, d_out))


def images_of(crystal: Crystal, config: BandTransformerConfig) -> Floats:
    """Operations that make the images of k-points, (n, 3, 3); without symmetry only the identity."""
    if not config.symmetric:
        return np.eye(3)[None]
    group = point_group(crystal).astype(np.float64)
    both = np.unique(np.concatenate([group, -group]), axis=0)
    return np.tile(both, (_MOST_IMAGES // len(both), 1, 1))
