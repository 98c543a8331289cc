"""Brillouin zones, paths and meshes of k-points: against geometry, and against what symmetry says."""

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.cell import Cell
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from tight_binding import CELLS, lattice_operations, s_band

from ldosml.datasets import load_crystals
from ldosml.kresolved import KPath, KResolvedOccupancy, brillouin_zone, counted_dos, energy_bins, gamma_mesh
from ldosml.kresolved.brillouin import reciprocal_lattice
from ldosml.kresolved.meshes import from_irreducible, irreducible, on_mesh, unfolded
from ldosml.kresolved.occupancy import label_bins

ANY_CELL = arrays(np.float64, (3, 3), elements=st.floats(-3, 3)).map(lambda m: m + 4 * np.eye(3))


def n_keeping(kpoint, cell):
    """How many operations of the lattice leave a k-point where it is, up to reciprocal lattice vectors."""
    moved = lattice_operations(cell) @ kpoint - kpoint
    return int(np.isclose(moved, np.round(moved), atol=1e-6).all(axis=1).sum())


class TestBrillouinZone:
    @pytest.mark.parametrize(
        ("lattice", "faces", "vertices"), [("sc", 6, 8), ("fcc", 14, 24), ("bcc", 12, 14), ("hex", 8, 12)]
    )
    def test_it_is_the_polyhedron_of_textbooks(self, lattice, faces, vertices):
        zone = brillouin_zone(CELLS[lattice])
        assert (len(zone.faces), len(zone.vertices)) == (faces, vertices)

    @given(ANY_CELL)
    @settings(max_examples=30, deadline=None)
    def test_it_is_a_convex_polyhedron_of_the_right_volume(self, cell):
        assume(abs(np.linalg.det(cell)) > 5)
        zone = brillouin_zone(cell)
        assert zone.volume == pytest.approx((2 * np.pi) ** 3 / abs(np.linalg.det(cell)), rel=1e-5)
        assert len(zone.vertices) - len(zone.edges) + len(zone.faces) == 2
        assert (zone.vertices @ zone.normals.T <= zone.distances + 1e-5).all()

    @given(st.permutations([0, 1, 2]), st.integers(-3, 3), st.integers(-3, 3))
    @settings(max_examples=15, deadline=None)
    def test_it_belongs_to_the_lattice_not_to_the_choice_of_vectors(self, order, once, twice):
        shear = np.array([[1, once, 0], [0, 1, twice], [0, 0, 1]])[order]
        same = brillouin_zone(shear @ CELLS["fcc"])
        assert len(same.faces) == 14
        assert_allclose(np.sort(np.linalg.norm(same.vertices, axis=1)), np.full(24, np.pi * np.sqrt(5) / 4), rtol=1e-9)

    def test_faces_are_turned_outwards(self):
        zone = brillouin_zone(CELLS["bcc"])
        for face, normal in zip(zone.faces, zone.normals, strict=True):
            first, second, third = zone.vertices[list(face[:3])]
            assert np.cross(second - first, third - second) @ normal > 0

    def test_flat_cells_are_refused(self):
        with pytest.raises(ValueError, match="must span a volume"):
            brillouin_zone(np.ones((3, 3)))
        with pytest.raises(ValueError, match="cell must have shape"):
            reciprocal_lattice(np.eye(2))


class TestPath:
    def test_corners_of_fcc_are_those_of_setyawan_and_curtarolo(self):
        path = KPath.from_cell(CELLS["fcc"], 100)
        assert " ".join(path.ticks[1]) == "Γ X W K Γ L U W L K|U X"
        a = 4.0
        lengths = dict(zip(path.ticks[1][:3], path.ticks[0][:3], strict=True))
        assert lengths["X"] == pytest.approx(2 * np.pi / a)
        assert lengths["W"] == pytest.approx(3 * np.pi / a)

    @pytest.mark.parametrize("lattice", CELLS)
    def test_distances_grow_except_over_jumps(self, lattice):
        path = KPath.from_cell(CELLS[lattice], 150)
        steps = np.diff(path.distances)
        jumps = sum("|" in name for name in path.ticks[1])
        assert (steps >= 0).all()
        assert (steps == 0).sum() == jumps > 0
        assert len(path) == len(path.distances)
        assert np.median(steps[steps > 0]) == pytest.approx(path.distances[-1] / 150, rel=0.2)

    def test_corners_do_not_depend_on_the_choice_of_vectors(self):
        sheared = np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]]) @ CELLS["fcc"]
        first, second = KPath.from_cell(CELLS["fcc"], 100), KPath.from_cell(sheared, 100)
        assert first.ticks[1] == second.ticks[1]
        assert_allclose(first.ticks[0], second.ticks[0], rtol=1e-6)
        assert_allclose(
            s_band(first.kpoints, CELLS["fcc"]),
            s_band(second.kpoints @ np.linalg.inv(sheared @ np.linalg.inv(CELLS["fcc"])).T, CELLS["fcc"]),
            atol=1e-6,
        )

    def test_subscripts(self):
        cell = Cell.fromcellpar([3, 3, 7, 90, 90, 90]).array
        centred = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]]) @ cell
        assert "S₁" in " ".join(KPath.from_cell(centred, 120).ticks[1])

    @pytest.mark.parametrize("name", ["diamond-Si", "bcc-W", "hcp-Mg", "perovskite-SrZrO3"])
    def test_corners_of_latimer_and_munro_are_special_by_symmetry(self, name):
        """As many operations leave them where they are as points between them, and of one of two corners more."""
        pytest.importorskip("pymatgen")
        atoms = load_crystals()[name].atoms
        path = KPath.latimer_munro(atoms, 150)
        assert "Γ" in path.ticks[1]
        lines = [(a, b) for (a, _), (b, _) in pairwise(path.corners) if b > a + 1]
        assert len(lines) > 5
        for a, b in lines:
            start, end, within = (n_keeping(path.kpoints[i], atoms.cell.array) for i in (a, b, a + (b - a) // 3))
            assert max(start, end) > within
            assert min(start, end) >= within > 1

    @pytest.mark.parametrize("name", CELLS)
    def test_the_eulerian_path_is_closed_and_has_every_line(self, name):
        pytest.importorskip("pymatgen")
        atoms = Atoms("In", cell=CELLS[name], pbc=True)
        path, usual = KPath.latimer_munro(atoms, 120, eulerian=True), KPath.latimer_munro(atoms, 120)
        assert len(path) == 120
        assert not path._jumps()
        assert path.corners[0] == (0, "G")
        assert path.corners[-1] == (119, "G")

        def lines(found):
            names = [name for _, name in found.corners]
            jumps = {a for a, _ in found._jumps()}
            pairs = zip(found.corners[:-1], names[1:], strict=True)
            return [frozenset((name, after)) for (place, name), after in pairs if place not in jumps]

        assert set(lines(path)) == set(lines(usual))
        assert max(lines(path).count(line) for line in lines(path)) == 2
        assert path.distances[-1] < 1.35 * usual.distances[-1]
        steps = np.diff(path.distances)
        assert steps.max() < 1.3 * steps.min()
        with pytest.raises(ValueError, match=r"n_kpoints must be at least \d+, the corners of this path; got 5"):
            KPath.latimer_munro(atoms, 5, eulerian=True)

    def test_corners_of_latimer_and_munro_do_not_depend_on_the_choice_of_vectors(self):
        """A flat cell whose centred primitive vectors are not reduced; pymatgen alone would warn, and may be wrong."""
        pytest.importorskip("pymatgen")
        centred = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])
        cell = centred @ Cell.fromcellpar([3, 3, 9, 90, 90, 90]).array
        sheared = np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]]) @ cell
        first, second = (KPath.latimer_munro(Atoms("In", cell=given, pbc=True), 60) for given in (cell, sheared))
        assert first.distances[-1] == pytest.approx(second.distances[-1])
        corners = [
            path.kpoints[[i for i, _ in path.corners]] @ reciprocal_lattice(path.cell) for path in (first, second)
        ]
        lengths = [np.unique(np.linalg.norm(each, axis=1).round(4)) for each in corners]
        assert_allclose(*lengths, atol=1e-6)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="must span a volume"):
            KPath.latimer_munro(Atoms("In"), 60)
        assert len(KPath.from_cell(np.eye(3), 4)) > 4  # every line has both of its ends
        with pytest.raises(ValueError, match="n_kpoints must be a positive whole number"):
            KPath.from_cell(np.eye(3), 0)
        with pytest.raises(ValueError, match="corners must have increasing indices of the 2 k-points of the path"):
            KPath(np.zeros((2, 3)), np.eye(3), ((0, "G"), (2, "X")))
        with pytest.raises(ValueError, match="kpoints must have shape"):
            KPath(np.zeros((2, 2)), np.eye(3), ())
        assert repr(KPath(np.zeros((2, 3)), np.eye(3), ((0, "G"),))) == "KPath(2 k-points; Γ)"


class TestMesh:
    @given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7), st.randoms())
    @settings(deadline=None, max_examples=30)
    def test_a_field_comes_back_from_any_order(self, n1, n2, n3, random):
        kpoints, weights = gamma_mesh((n1, n2, n3))
        assert weights.sum() == pytest.approx(1)
        assert -0.5 < kpoints.min() <= kpoints.max() <= 0.5
        order = random.sample(range(len(kpoints)), len(kpoints))
        shifted = kpoints[order] + np.array([1, 0, -2])
        field = on_mesh(shifted, np.cos(2 * np.pi * kpoints[order]))
        i, j, k = np.indices((n1, n2, n3))
        assert_allclose(field, np.cos(2 * np.pi * np.stack([i / n1, j / n2, k / n3], axis=-1)), atol=1e-12)

    @pytest.mark.parametrize("lattice", CELLS)
    @pytest.mark.parametrize("n", [5, 6])
    def test_irreducible_points_tell_the_whole_mesh(self, lattice, n):
        cell = CELLS[lattice]
        operations = lattice_operations(cell)
        kpoints, _ = gamma_mesh(n)
        band = s_band(kpoints, cell)
        few, weights, inverse = irreducible(kpoints, operations)
        assert len(few) < len(kpoints) / 4
        assert weights.sum() == pytest.approx(1)
        assert weights @ s_band(few, cell) == pytest.approx(band.mean())
        assert_allclose(s_band(few, cell)[inverse], band, atol=1e-12)
        assert_allclose(unfolded(few, s_band(few, cell), operations, n), on_mesh(kpoints, band), atol=1e-12)

    def test_irreducible_points_of_a_cubic_mesh_are_as_many_as_known(self):
        """(m + 1)(m + 2)(m + 3) / 6 with m = n // 2, of an n x n x n mesh of the simple cubic lattice."""
        operations = lattice_operations(CELLS["sc"])
        assert len(operations) == 48
        for n, known in ((4, 10), (7, 20), (8, 35)):
            assert len(irreducible(gamma_mesh(n)[0], operations)[0]) == known

    def test_time_reversal_is_added(self):
        assert len(irreducible(gamma_mesh(5)[0], [np.eye(3)])[0]) == 63

    def test_the_dos_of_irreducible_points_is_that_of_all(self):
        cell, grid = CELLS["fcc"], energy_bins()
        kpoints, _ = gamma_mesh(6)
        few, weights, inverse = irreducible(kpoints, lattice_operations(cell))
        counts = label_bins(s_band(few, cell)[:, None] + 0.013, grid, "counts")
        small = KResolvedOccupancy(grid, few, counts, cell, weights, counts)
        full = from_irreducible(small, kpoints, inverse)
        assert len(full) == 216
        assert_allclose(counted_dos(small, 1).values, counted_dos(full, 1).values, atol=1e-9)
        assert from_irreducible(KResolvedOccupancy(grid, few, counts, cell), kpoints, inverse).counts is None

    def test_what_is_missing_is_said(self):
        kpoints, _ = gamma_mesh(3)
        with pytest.raises(ValueError, match=r"1 of the 27 k-points of the mesh of 3 x 3 x 3 are missing, .*0.3333"):
            on_mesh(np.delete(kpoints, 1, axis=0), np.zeros(26))
        with pytest.raises(ValueError, match="must be a full mesh around Gamma"):
            on_mesh(kpoints + 0.1, np.zeros(27))
        few, _, _ = irreducible(kpoints, lattice_operations(CELLS["sc"]))
        with pytest.raises(ValueError, match=r"are missing.*all operations"):
            unfolded(few, np.zeros(4), [np.eye(3)], 3)
        with pytest.raises(ValueError, match="must lie on the mesh of 4 x 4 x 4"):
            unfolded(few, np.zeros(4), [np.eye(3)], 4)

    @pytest.mark.parametrize("n", [0, 2.5, (2, 2), (2, 2, 0)])
    def test_bad_numbers(self, n):
        with pytest.raises(ValueError, match="n must be one or three positive whole numbers"):
            gamma_mesh(n)

    def test_bad_shapes(self):
        with pytest.raises(ValueError, match="values must have shape"):
            on_mesh(np.zeros((1, 3)), np.zeros(2))
        with pytest.raises(ValueError, match="operations must have shape"):
            irreducible(np.zeros((1, 3)), np.eye(3))
        with pytest.raises(ValueError, match="at least one k-point"):
            on_mesh(np.zeros((0, 3)), np.zeros(0))
