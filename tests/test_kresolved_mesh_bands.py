"""States by energy from bands on a mesh, edges of gaps and effective masses: against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ldosml.energy import EnergyGrid
from ldosml.kresolved.band_edges import band_edge, best_starts
from ldosml.kresolved.brillouin import reciprocal_lattice
from ldosml.kresolved.meshes import gamma_mesh
from ldosml.kresolved.tetrahedra import MeshBands
from ldosml.units import HBAR2_M

CUBE = 3.0 * np.eye(3)
FCC = 2.0 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
SKEWED = np.array([[3.0, 0.0, 0.0], [1.1, 2.8, 0.0], [-0.4, 0.9, 3.5]])


def on_mesh(function, n, cell):
    fractions = np.indices((n, n, n)).transpose(1, 2, 3, 0) / n
    return function(np.where(fractions > 0.5, fractions - 1, fractions) @ reciprocal_lattice(cell))


def linear_in_energy(kpoints):
    """A band that is linear along x between its ends at 0 and +- 1/2, so that its DOS is constant."""
    return np.abs(kpoints[..., :1])


class TestMeshBands:
    def test_a_band_that_is_linear_has_a_constant_dos(self):
        bands = MeshBands(on_mesh(linear_in_energy, 6, CUBE), CUBE)
        top = np.pi / 3
        assert_allclose(bands.states_below(top * np.array([-0.1, 0.25, 0.5, 0.9, 1.1])), [0, 0.25, 0.5, 0.9, 1])

    @pytest.mark.parametrize("cell", [CUBE, FCC, SKEWED], ids=["cubic", "fcc", "triclinic"])
    def test_free_electrons(self, cell):
        """States below E: the volume of a sphere over that of the zone, as long as it lies inside."""
        bands = MeshBands(on_mesh(lambda k: (k**2).sum(axis=-1, keepdims=True), 40, cell), cell)
        energies = np.array([0.2, 0.35])
        exact = 4 / 3 * np.pi * energies**1.5 * np.linalg.det(cell) / (2 * np.pi) ** 3
        assert_allclose(bands.states_below(energies), exact, rtol=0.02)

    def test_the_error_falls_as_the_square_of_the_step(self):
        """Of free electrons, whose surface is smooth: twice the points, a quarter of the error."""
        exact = 4 / 3 * np.pi * 0.8**1.5 * 27 / (2 * np.pi) ** 3
        errors = [
            exact - MeshBands(on_mesh(lambda k: (k**2).sum(axis=-1, keepdims=True), n, CUBE), CUBE).states_below([0.8])
            for n in (12, 24, 48)
        ]
        assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)
        assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)

    def test_the_dos_counts_every_state_once_whatever_the_step(self):
        random = np.random.default_rng(0)
        bands = MeshBands(np.sort(random.normal(size=(4, 5, 6, 3)), axis=-1), FCC)
        for step in (0.03, 0.5):
            dos = bands.dos(EnergyGrid.from_range(-6.0, 6.0, step, "fermi"), n_atoms=2)
            assert float(np.sum(dos.values)) * step == pytest.approx(6, abs=1e-9)
            assert np.min(dos.values) >= 0

    def test_a_flat_band_is_one_step(self):
        bands = MeshBands(np.full((2, 2, 2, 1), 0.5), CUBE)
        assert_allclose(bands.states_below([0.49, 0.51]), [0, 1])

    def test_the_fermi_level_holds_the_electrons(self):
        random = np.random.default_rng(1)
        bands = MeshBands(np.sort(random.normal(size=(5, 5, 5, 4)), axis=-1), FCC)
        for n_electrons in (1.0, 3.7, 6.0):
            assert 2 * bands.states_below([bands.fermi_level(n_electrons)])[0] == pytest.approx(n_electrons, abs=1e-6)

    def test_it_is_in_the_middle_of_a_gap(self):
        energies = np.stack([on_mesh(linear_in_energy, 4, CUBE)[..., 0] + shift for shift in (0.0, 3.0)], axis=-1)
        assert MeshBands(energies, CUBE).fermi_level(2.0) == pytest.approx(0.5 * (np.pi / 3 + 3.0))

    def test_too_many_electrons(self):
        with pytest.raises(ValueError, match="1 bands hold at most 2 electrons; got 2"):
            MeshBands(np.zeros((2, 2, 2, 1)), CUBE).fermi_level(2.0)

    def test_order_of_lattice_vectors_changes_nothing(self):
        random = np.random.default_rng(2)
        values = random.normal(size=(4, 5, 6, 1))
        energies = np.linspace(-2, 2, 9)
        first = MeshBands(values, SKEWED).states_below(energies)
        assert_allclose(MeshBands(values.transpose(1, 2, 0, 3), SKEWED[[1, 2, 0]]).states_below(energies), first)


def parabola(masses, axes, centre, cell, band=0.0):
    """A band whose curvature is hbar^2 / m along each axis, periodic in k."""
    reciprocal = reciprocal_lattice(cell)

    def bands(kpoints):
        away = kpoints - centre
        along = (away - np.rint(away)) @ reciprocal @ np.asarray(axes).T
        return (band + 0.5 * HBAR2_M * (along**2 / np.asarray(masses)).sum(axis=1))[:, None]

    return bands


class TestBandEdge:
    AXES = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]

    @pytest.mark.parametrize("side", ["bottom", "top"])
    @pytest.mark.parametrize("cell", [CUBE, FCC, SKEWED], ids=["cubic", "fcc", "triclinic"])
    def test_place_and_masses_of_a_parabola(self, cell, side):
        sign = 1 if side == "bottom" else -1
        centre = np.array([0.213, -0.087, 0.331])
        valley = parabola([0.2, 0.5, 1.5], self.AXES, centre, cell, 0.7)
        kpoints = gamma_mesh(6)[0]
        starts = best_starts(kpoints, sign * valley(kpoints)[:, 0], side)
        edge = band_edge(lambda k: sign * valley(k), starts, cell, 0, side, step=0.08)
        assert edge.energy == pytest.approx(sign * 0.7, abs=1e-5)
        assert_allclose(edge.kpoint, centre, atol=3e-4)
        assert_allclose(np.sort(edge.masses[0]), [0.2, 0.5, 1.5], rtol=1e-4)
        for mass, axis in zip(edge.masses[0], edge.axes, strict=True):
            expected = self.AXES[np.argmin(np.abs(np.array([0.2, 0.5, 1.5]) - mass))]
            assert abs(axis @ expected) == pytest.approx(1, abs=1e-4)

    def test_the_lowest_of_several_valleys(self):
        valleys = [parabola([1, 1, 1], np.eye(3), [x, 0, 0], CUBE, depth) for x, depth in ((0, 0.1), (0.4, 0.0))]
        edge = band_edge(lambda k: np.minimum(*(v(k) for v in valleys)), gamma_mesh(5)[0], CUBE, 0, "bottom")
        assert_allclose(edge.kpoint, [0.4, 0, 0], atol=3e-4)

    def test_bands_that_meet_have_masses_each(self):
        def heavy_and_light(kpoints):
            bands = [-parabola([m, m, m], np.eye(3), np.zeros(3), FCC)(kpoints) for m in (0.5, 0.1)]
            return np.sort(np.concatenate(bands, axis=1), axis=1)

        edge = band_edge(heavy_and_light, gamma_mesh(4)[0], FCC, 1, "top")
        assert edge.degeneracy == 2
        assert_allclose(np.sort(edge.masses[:, 0]), [0.1, 0.5], rtol=1e-6)

    def test_starts_are_not_equivalent(self):
        kpoints = gamma_mesh(4)[0]
        energies = np.cos(2 * np.pi * kpoints).sum(axis=1)
        starts = best_starts(kpoints, energies, "bottom")
        assert_allclose(np.cos(2 * np.pi * starts).sum(axis=1), [-3, -2, -1], atol=1e-12)

    def test_no_such_side(self):
        with pytest.raises(ValueError, match="side"):
            band_edge(lambda k: k, gamma_mesh(2)[0], CUBE, 0, "left")


def test_masses_along_flat_directions_are_infinite():
    """Bands of layers, whose edges are parabolas along the layer only."""

    def layer(kpoints):
        return (np.cos(2 * np.pi * kpoints[:, :2]).sum(axis=1) + 1e-13 * np.sin(1e4 * kpoints[:, 2]))[:, None]

    edge = band_edge(layer, gamma_mesh((4, 4, 1))[0], CUBE, 0, "top")
    assert np.isinf(edge.masses).sum() == 1
    assert np.isfinite(np.sort(edge.masses[0])[:2]).all()
