"""Decoder: from features of atoms and k-points to energy bins; equation 1 of Park et al. and the text after it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

_START = 4.0
_LEAST = 0.01  # smallest initial probability and count
_SMALL = 0.3  # initial weights of the last layer, relative to torch's
_BESIDE = 3  # patches of the guess for each token: its own and its neighbours, as guesses are half an eV off


class KPointEmbedding(nn.Module):
    """h_k = MLP([sin 2 pi k_j, cos 2 pi k_j]), 6 -> 64 -> d (equation 1), averaged over the images of k.

    Images are the k-points that symmetry makes equivalent. With k and -k, the embedding and all that follows are
    exactly even in k; with all operations of the point group, they have the symmetry of the crystal.
    """

    def __init__(self, d: int, hidden: int = 64) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, hidden), nn.Linear(hidden, d)
        with torch.no_grad():
            # With torch's initial weights the first layer is nearly linear, and the average over images nearly zero,
            # so that h_k is small beside the sum over atoms: bands would stay flat for hundreds of steps.
            self.first.weight.mul_(_START)
            self.second.weight.mul_(_START)

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (..., d) of images (..., n_images, 3), fractions of reciprocal lattice vectors."""
        turns = 2 * torch.pi * images
        waves = torch.cat([turns.sin(), turns.cos()], dim=-1)  # (..., n_images, 6)
        # The second layer is linear, so averaging before it gives the same and is faster.
        embedding: Tensor = self.second(functional.silu(self.first(waves)).mean(dim=-2))
        return embedding


class Attention(nn.Module):
    """Multi-head attention of queries (..., n, d) to features (..., m, d)."""

    def __init__(self, d: int, n_heads: int) -> None:
        super().__init__()
        self.query, self.key_value, self.out = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)
        self._heads = n_heads

    def forward(self, queries: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Output of the attention, (..., n, d); ``mask`` (..., m) is true where a feature exists."""
        query, key, value = (
            part.unflatten(-1, (self._heads, -1)).transpose(-3, -2)  # (..., heads, n or m, d / heads)
            for part in (self.query(queries), *self.key_value(features).chunk(2, dim=-1))
        )
        allowed = None if mask is None else mask[..., None, None, :]
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        result: Tensor = self.out(found.transpose(-3, -2).flatten(-2))
        return result


class DecoderBlock(nn.Module):
    """Attention among the tokens of one k-point, attention to the atoms, feed-forward; with normalisation first."""

    def __init__(self, d: int, n_heads: int, multiplier: int, dropout: float) -> None:
        super().__init__()
        self.among, self.to_atoms = Attention(d, n_heads), Attention(d, n_heads)
        self.feed_forward = feed_forward(d, multiplier, dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3))

    def forward(self, tokens: Tensor, atoms: Tensor, mask: Tensor) -> Tensor:
        """Tokens (n_crystals, n_kpoints, T, d), atoms (n_crystals, n_most, d), mask (n_crystals, n_most)."""
        normed = self.norms[0](tokens)
        tokens = tokens + self.among(normed, normed)
        # Atoms are the same for every k-point, so all tokens of a crystal attend at once.
        asked = self.norms[1](tokens).flatten(1, 2)
        tokens = tokens + self.to_atoms(asked, atoms, mask).unflatten(1, tokens.shape[1:3])
        result: Tensor = tokens + self.feed_forward(self.norms[2](tokens))
        return result


def feed_forward(d: int, multiplier: int, dropout: float) -> nn.Sequential:
    """Two layers with ``multiplier`` d features between them, and dropout."""
    return nn.Sequential(nn.Linear(d, multiplier * d), nn.GELU(), nn.Dropout(dropout), nn.Linear(multiplier * d, d))


class Mixing(nn.Module):
    """Two residual layers on the features of crystal and k-point, then a linear layer for each token: (..., T, d).

    In the paper, all tokens get the same sum of features, and training needs many epochs to distinguish crystals and
    k-points. The layers here run once for a k-point, not for each of its tokens, so they cost little.
    """

    def __init__(self, d: int, multiplier: int, n_tokens: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(d), *feed_forward(d, multiplier, dropout)) for _ in range(2)
        )
        self.norm, self.turn = nn.LayerNorm(d), nn.Linear(d, n_tokens * d)
        self._n_tokens = n_tokens

    def forward(self, known: Tensor) -> Tensor:
        """Initial tokens (..., T, d) from features ``known`` (..., d)."""
        for layer in self.layers:
            known = known + layer(known)
        turned: Tensor = self.turn(self.norm(known))
        return turned.unflatten(-1, (self._n_tokens, -1))


class MeanLabels(NamedTuple):
    """Means of labels over crystals, by bin (n_bins,), at which the outputs of a network start."""

    presence: Tensor
    counts: Tensor | None
    anywhere: Tensor


class Outputs(NamedTuple):
    """Outputs of the network.

    logits (n_crystals, n_kpoints, n_bins): of the presence of states; counts: expected numbers of states, or None;
    anywhere (n_crystals, n_bins): logits of presence at any k-point of the zone, or None.
    """

    logits: Tensor
    counts: Tensor | None
    anywhere: Tensor | None


class OccupancyDecoder(nn.Module):
    """Tokens q_t = sum_i h_i + e_t + h_k, each for ``patch`` energy bins, pass through blocks and become logits.

    With ``mixing``, sum_i h_i + h_k goes through ``Mixing`` first. With ``anywhere``, there is one more query, with a
    learned vector instead of h_k, for the presence of states anywhere in the zone.
    """

    def __init__(
        self,
        d: int,
        n_blocks: int,
        n_heads: int,
        multiplier: int,
        n_bins: int,
        patch: int,
        counts: bool,
        mixing: bool,
        dropout: float,
        anywhere: bool,
        n_guesses: int,
    ) -> None:
        super().__init__()
        self.kpoint = KPointEmbedding(d)
        self.anywhere = nn.Parameter(torch.randn(d)) if anywhere else None
        self.guess = nn.Linear(n_guesses * _BESIDE * patch, d, bias=False) if n_guesses else None
        self._patch = patch
        self.positions = nn.Parameter(torch.randn(n_bins // patch, d))  # as large as the features to which it is added
        self.blocks = nn.ModuleList(DecoderBlock(d, n_heads, multiplier, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, patch * (2 if counts else 1))
        self.bias = nn.Parameter(torch.zeros(2 if counts else 1, n_bins))
        self.mixing = Mixing(d, multiplier, n_bins // patch, dropout) if mixing else None
        self.bias_anywhere = nn.Parameter(torch.zeros(n_bins)) if anywhere else None

    @torch.no_grad()
    def start_at(self, labels: MeanLabels) -> None:
        """Set the initial outputs to the mean labels, which saves hundreds of steps of training."""
        self.bias[0] = torch.logit(labels.presence, eps=_LEAST)
        if labels.counts is not None:
            self.bias[1] = torch.log(torch.expm1(labels.counts.clamp(min=_LEAST)))  # the inverse of softplus
        if self.bias_anywhere is not None:
            self.bias_anywhere.copy_(torch.logit(labels.anywhere, eps=_LEAST))
        self.head.weight.mul_(_SMALL)
        self.head.bias.zero_()

    def forward(
        self, atoms: Tensor, mask: Tensor, images: Tensor, guess: Tensor, bloch: Tensor | None = None
    ) -> Outputs:
        """Outputs from features of atoms (n_crystals, n_most, d), and of k-points.

        Atoms are zero where ``mask`` (n_crystals, n_most) is false. ``images`` of k-points: (n_crystals, n_kpoints,
        n_images, 3). ``guess``: (n_crystals, n_kpoints + 1, n_guesses, n_bins), the guess for the whole zone last.
        ``bloch``: more features of k-points (n_crystals, n_kpoints, d).
        """
        known = self.kpoint(images) if bloch is None else self.kpoint(images) + bloch
        if self.anywhere is not None:
            known = torch.cat([known, self.anywhere.expand(len(atoms), 1, -1)], dim=1)
        known = atoms.sum(dim=1)[:, None] + known  # (n_crystals, n_queries, d)
        known = known[:, :, None] if self.mixing is None else self.mixing(known)
        tokens = known + self.positions  # (n_crystals, n_queries, T, d)
        if self.guess is not None:
            tokens = tokens + self.guess(self._by_token(guess[:, : tokens.shape[1]]))
        for block in self.blocks:
            tokens = block(tokens, atoms, mask)
        outputs = self.head(self.norm(tokens))  # (n_crystals, n_queries, T, patch or 2 patch)
        logits, *numbers = (part.flatten(2) for part in outputs.chunk(len(self.bias), dim=-1))
        n = images.shape[1]
        return Outputs(
            logits[:, :n] + self.bias[0],
            functional.softplus(numbers[0][:, :n] + self.bias[1]) if numbers else None,
            None if self.anywhere is None else logits[:, n] + self.bias_anywhere,
        )

    def _by_token(self, guess: Tensor) -> Tensor:
        """Parts of a guess (n_crystals, n_queries, n_guesses, n_bins) for each token, (n_crystals, n_queries, T, n)."""
        beside = _BESIDE // 2 * self._patch
        windows = functional.pad(guess, (beside, beside)).unfold(-1, _BESIDE * self._patch, self._patch)
        return windows.transpose(2, 3).flatten(3)
