"""The network: what its outputs must not depend on, whatever its weights."""

import numpy as np
import pytest
from neural_cases import CRYSTALS, TINY, conventional, disguised, torch
from numpy.testing import assert_allclose, assert_array_equal

from ldosml.kresolved import energy_bins
from ldosml.neural import OccupancyConfig, primitive_kpoints, standardized
from ldosml.neural.examples import guessed, with_zone
from ldosml.neural.graph import batched, crystal_graph
from ldosml.neural.network import OccupancyNetwork, kpoint_images, operations

KPOINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3))
NETWORKS = {
    "symmetric": OccupancyNetwork(OccupancyConfig(**TINY)).eval(),
    "even": OccupancyNetwork(OccupancyConfig(**TINY, point_group=False, counts=False)).eval(),
    "as in the paper": OccupancyNetwork(OccupancyConfig(**TINY, point_group=False, time_reversal=False)).eval(),
}


def guess_of(network, crystal, kpoints):
    guess = guessed(crystal, kpoints, energy_bins(network.config.n_bins), network.config, network.tight_binding)
    return torch.from_numpy(with_zone(*guess).astype(np.float32))


@torch.no_grad()
def outputs(network, atoms, kpoints=KPOINTS):
    """Logits, and counts where there are some, of one crystal; k-points of the cell given."""
    crystal = standardized(atoms)
    graph = batched([crystal_graph(crystal, network.config.n_neighbors)])
    places = primitive_kpoints(atoms, kpoints)
    images = kpoint_images(places, operations(crystal, network.config))
    logits, counts, anywhere = network(graph, images[None], guess_of(network, crystal, places)[None])
    per_crystal = [] if anywhere is None else [anywhere.expand(len(kpoints), -1)]
    parts = [part[0] for part in (logits, counts) if part is not None] + per_crystal
    return np.concatenate([part.numpy() for part in parts], axis=-1)


def same_vectors(atoms, other, kpoints=KPOINTS):
    return kpoints @ atoms.cell.reciprocal() @ other.cell.array.T


@pytest.mark.parametrize("name", CRYSTALS)
class TestInvariance:
    def test_cell_turn_shift_and_order(self, name):
        atoms, network = CRYSTALS[name], NETWORKS["symmetric"]
        expected = outputs(network, atoms)
        for cell in (atoms, conventional(name), atoms * (2, 1, 3)):
            found = outputs(network, disguised(cell), same_vectors(atoms, cell))
            assert_allclose(found, expected, atol=1e-5)

    def test_point_group(self, name):
        crystal = standardized(CRYSTALS[name])
        expected = outputs(NETWORKS["symmetric"], crystal.atoms())
        for operation in operations(crystal, OccupancyConfig(**TINY))[::7]:
            assert_allclose(outputs(NETWORKS["symmetric"], crystal.atoms(), KPOINTS @ operation.T), expected, atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_whole_reciprocal_lattice_vectors(kind):
    shifted = KPOINTS + np.array([[1, 0, -2], [0, 3, 0], [5, 5, 5], [0, 0, -1]])
    assert_allclose(
        outputs(NETWORKS[kind], CRYSTALS["polar"], shifted), outputs(NETWORKS[kind], CRYSTALS["polar"]), atol=1e-5
    )


@pytest.mark.parametrize("kind", NETWORKS)
def test_time_reversal_is_exact_where_asked_for(kind):
    there, back = (outputs(NETWORKS[kind], CRYSTALS["polar"], sign * KPOINTS) for sign in (1, -1))
    if kind == "even":
        assert_array_equal(there, back)
    elif kind == "symmetric":
        assert_allclose(there, back, atol=1e-5)
    else:
        assert np.abs(there - back).max() > 1e-3


def test_it_tells_kpoints_crystals_and_axes_apart():
    network = NETWORKS["symmetric"]
    values = outputs(network, CRYSTALS["polar"])
    assert np.abs(values[0] - values[1]).max() > 1e-3
    assert np.abs(values - outputs(network, CRYSTALS["fcc"])).max() > 1e-3
    along = outputs(network, CRYSTALS["polar"], 0.3 * np.eye(3))
    assert np.abs(along[0] - along[2]).max() > 1e-4


def test_a_crystal_does_not_depend_on_others_in_its_batch():
    network = NETWORKS["symmetric"]
    crystals = [standardized(CRYSTALS[name]) for name in ("fcc", "perovskite", "hcp")]
    graphs = [crystal_graph(crystal, network.config.n_neighbors) for crystal in crystals]
    images = torch.stack([kpoint_images(KPOINTS, operations(crystal, network.config)) for crystal in crystals])
    with torch.no_grad():
        guesses = torch.stack([guess_of(network, crystal, KPOINTS) for crystal in crystals])
        together = network(batched(graphs), images, guesses)
        for number, graph in enumerate(graphs):
            one = slice(number, number + 1)
            alone = network(batched([graph]), images[one], guesses[one])
            for found, expected in zip(together, alone, strict=True):
                assert_allclose(found[number], expected[0], atol=1e-5)


def test_presets():
    paper = OccupancyConfig.preset("paper")
    assert (paper.d, paper.n_layers, paper.n_radial, paper.n_blocks, paper.n_heads) == (256, 4, 256, 4, 8)
    assert paper.n_bins // paper.patch == 64
    first, second = (OccupancyNetwork(OccupancyConfig(**TINY), seed) for seed in (1, 1))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert_array_equal(one.detach(), other.detach())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 7}, "n_bins of a network must be a multiple of patch; got 32 and 7"),
        ({"n_heads": 3}, "d of a network must be a multiple of n_heads"),
        ({"n_blocks": 0}, "n_blocks of a network must be a whole number above zero; got 0"),
        ({"n_radial": 2.5}, "n_radial"),
    ],
)
def test_bad_configurations(changes, message):
    with pytest.raises(ValueError, match=message):
        OccupancyConfig(**TINY | changes)
    with pytest.raises(ValueError, match="preset must be one of 'small', 'paper'; got 'huge'"):
        OccupancyConfig.preset("huge")
