"""Isosurfaces: free electrons, whose surfaces are spheres, and tight-binding bands, known at every k-point."""

import builtins
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tight_binding import CELLS, fractions, s_band

from ldosml.kresolved import (
    KResolvedOccupancy,
    band_edge_surfaces,
    band_surfaces,
    brillouin_zone,
    edge_bands,
    edge_surfaces,
    energy_bins,
    fermi_surface,
    gamma_mesh,
)
from ldosml.kresolved.brillouin import reciprocal_lattice
from ldosml.kresolved.isosurfaces import isosurface
from ldosml.kresolved.meshes import on_mesh
from ldosml.kresolved.occupancy import label_bins
from ldosml.kresolved.states import (
    counted_bands,
    counted_edges,
    emptiest_energy,
    fermi_probability,
    filling,
    highest_state,
    lowest_state,
)
from ldosml.kresolved.triangles import clipped_to_zone, welded

pytest.importorskip("skimage", reason="scikit-image is not installed")

GRID = energy_bins()
KPOINTS, WEIGHTS = gamma_mesh(12)


def free_electrons(cell, n=16):
    """|k + G|^2 of the nearest G, on a mesh (n, n, n), 1/angstrom^2."""
    shifts = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    vectors = (gamma_mesh(n)[0][:, None] + shifts) @ reciprocal_lattice(cell)
    return on_mesh(gamma_mesh(n)[0], (vectors**2).sum(axis=-1).min(axis=1))


def enclosed(surface):
    """Volume between the surface and the origin, 1/angstrom^3."""
    a, b, c = surface.vertices[surface.faces].transpose(1, 0, 2)
    return np.einsum("ni,ni->", a, np.cross(b, c)) / 6


def euler_characteristic(surface):
    edges = np.sort(np.concatenate([surface.faces[:, [i, (i + 1) % 3]] for i in range(3)]), axis=1)
    return len(surface.vertices) - len(np.unique(edges, axis=0)) + len(surface.faces)


def beyond(surface, cell):
    """How far the farthest vertex is outside of the zone."""
    zone = brillouin_zone(cell)
    return (surface.vertices @ zone.normals.T - zone.distances).max()


def occupancy(bands, cell, kind="counts"):
    counts = label_bins(bands, GRID, "counts")
    given = {"counts": counts, "weights": WEIGHTS} if kind == "counts" else {}
    return KResolvedOccupancy(GRID, KPOINTS, np.minimum(counts, 1), cell, **given)


class TestIsosurface:
    @pytest.mark.parametrize("lattice", ["sc", "fcc", "bcc"])
    def test_free_electrons_are_a_sphere(self, lattice):
        cell, k = CELLS[lattice], 0.6 * brillouin_zone(CELLS[lattice]).distances.min()
        sphere = isosurface(free_electrons(cell), cell, k**2, upsample=3)
        assert_allclose(np.linalg.norm(sphere.vertices, axis=1), k, rtol=5e-3)
        assert sphere.area == pytest.approx(4 * np.pi * k**2, rel=5e-3)
        assert enclosed(sphere) == pytest.approx(4 / 3 * np.pi * k**3, rel=1e-2)
        assert euler_characteristic(sphere) == 2

    def test_a_sphere_that_leaves_the_zone_loses_its_caps(self):
        """Of a cube: six caps of 2 pi k (k - h) each. The field has a kink at its faces, which costs accuracy there."""
        cell, h = CELLS["sc"], np.pi / 3.0
        k = 1.2 * h
        sphere = isosurface(free_electrons(cell, 20), cell, k**2, upsample=3)
        assert sphere.area == pytest.approx(4 * np.pi * k**2 - 12 * np.pi * k * (k - h), rel=0.02)
        assert np.abs(sphere.vertices).max() == pytest.approx(h, abs=1e-9)
        assert beyond(sphere, cell) <= 1e-9
        assert euler_characteristic(sphere) == 2 - 6

    @pytest.mark.parametrize("lattice", CELLS)
    @pytest.mark.parametrize("level", [-0.7, 0.2])
    def test_energies_on_the_surface_are_the_level(self, lattice, level):
        cell = CELLS[lattice]
        surface = isosurface(on_mesh(KPOINTS, s_band(KPOINTS, cell)), cell, level, upsample=4)
        width = np.ptp(s_band(KPOINTS, cell))
        assert np.abs(s_band(fractions(surface.vertices, cell), cell) - level).max() < 2e-3 * width
        assert beyond(surface, cell) <= 1e-9

    def test_cubic_splines_are_worth_it(self):
        cell = CELLS["fcc"]
        field = on_mesh(KPOINTS, s_band(KPOINTS, cell))
        errors = [
            np.abs(s_band(fractions(isosurface(field, cell, 0.0, order=order, upsample=4).vertices, cell), cell)).max()
            for order in (1, 3)
        ]
        assert errors[1] < errors[0] / 10

    def test_half_filling_of_the_cube_is_known(self):
        """The surface of cos x + cos y + cos z = 0 goes through (pi, pi/2, 0)."""
        cell = CELLS["sc"]
        surface = isosurface(on_mesh(KPOINTS, s_band(KPOINTS, cell)), cell, 0.0, upsample=3)
        corner = np.array([np.pi, np.pi / 2, 0.0]) / 3.0
        assert np.linalg.norm(surface.vertices - corner, axis=1).min() < 0.03
        # Open towards the six neighbours: a sphere with six holes.
        assert euler_characteristic(surface) == 2 - 6

    @given(st.permutations([0, 1, 2]), st.integers(-2, 2), st.sampled_from([1, -1]))
    @settings(max_examples=6, deadline=None)
    def test_it_does_not_depend_on_the_choice_of_lattice_vectors(self, order, shear, sign):
        """Nor does the side that its faces look to, if the vectors become left-handed."""
        cell = CELLS["fcc"]
        other = (np.array([[1, shear, 0], [0, 1, 0], [0, 0, sign]]) @ cell)[order]
        k = 0.6 * brillouin_zone(cell).distances.min()
        surface = isosurface(free_electrons(other, 10), other, k**2, upsample=2)
        assert enclosed(surface) == pytest.approx(4 / 3 * np.pi * k**3, rel=0.05)

    def test_faces_look_to_larger_values(self):
        field = free_electrons(CELLS["sc"], 8)
        assert enclosed(isosurface(field, CELLS["sc"], 0.3, upsample=2)) > 0
        assert enclosed(isosurface(-field, CELLS["sc"], -0.3, upsample=2)) < 0

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"level": 7.0}, "The field is from 0 to 1, so it has no surface at 7"),
            ({"level": 1.0}, "no surface at 1"),
            ({"field": np.zeros((2, 2))}, "field must have shape"),
            ({"field": np.full((2, 2, 2), np.nan)}, "field must be finite"),
            ({"upsample": 0}, "upsample must be a positive whole number"),
            ({"order": 6}, "order of the spline must be 1, 2, 3, 4 or 5; got 6"),
            ({"cell": np.zeros((3, 3))}, "span a volume"),
        ],
    )
    def test_bad_input(self, changes, message):
        right = {"field": np.indices((2, 2, 2))[0], "cell": np.eye(3), "level": 0.5}
        assert len(isosurface(**right))
        with pytest.raises(ValueError, match=message):
            isosurface(**right | changes)

    def test_without_scikit_image_it_tells_what_to_install(self, monkeypatch):
        real = builtins.__import__

        def without(name, *args, **kwargs):
            if name.startswith("skimage"):
                raise ModuleNotFoundError(name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(ImportError, match=r"pip install 'ldosml\[neural\]'"):
            isosurface(np.indices((2, 2, 2))[0], np.eye(3), 0.5)


class TestClipping:
    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=25, deadline=None)
    def test_a_period_of_triangles_keeps_its_area(self, seed):
        """Every triangle, with all its copies, lies in the zone just once."""
        rng = np.random.default_rng(seed)
        cell = 4 * np.eye(3) + rng.uniform(-1, 1, (3, 3))
        reciprocal = reciprocal_lattice(cell)
        start = rng.uniform(0, 1, (20, 1, 3))
        triangles = start + rng.uniform(-0.1, 0.1, (20, 3, 3))
        zone = brillouin_zone(cell)
        # Beyond 0 and 1 by 0.1: copies in two more cells each are looked for, as those of a larger zone.
        wide = SimpleNamespace(vertices=1.5 * zone.vertices, normals=zone.normals, distances=zone.distances)
        cut = clipped_to_zone(triangles, reciprocal, wide)
        assert area(cut) == pytest.approx(area(triangles @ reciprocal))
        assert (cut @ zone.normals.T - zone.distances).max() <= 1e-9

    def test_welding_joins_corners_and_drops_lines(self):
        one = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
        two = np.array([[1.0, 1e-7, 0], [1, 1, 0], [0, 1, 0]])
        line = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1e-7, 0]])
        vertices, faces = welded(np.stack([one, two, line, one]), 1e-5)
        assert (vertices.shape, faces.shape) == ((4, 3), (2, 3))
        assert area(vertices[faces]) == pytest.approx(1.0)
        assert [len(part) for part in welded(np.zeros((0, 3, 3)), 1.0)] == [0, 0]


def area(triangles):
    a, b, c = triangles.transpose(1, 0, 2)
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def metal(cell):
    """An s band across the Fermi level, and a full one that is three times as heavy, 5 eV below."""
    band = 0.7 * s_band(KPOINTS, cell)
    return np.stack([band + 0.21, -5.0 + band / 3], axis=1)


class TestFermiSurface:
    @pytest.mark.parametrize("lattice", ["sc", "fcc"])
    def test_that_of_counts_is_that_of_eigenvalues(self, lattice):
        cell = CELLS[lattice]
        bands = metal(cell)
        (known,) = band_surfaces(bands, KPOINTS, cell, upsample=3)
        (found,) = fermi_surface(occupancy(bands, cell), upsample=3)
        (counted_on,) = fermi_surface(occupancy(bands, cell), deeper=3, upsample=3)
        assert (known.label, found.label, counted_on.label) == ("band 2", "band 2", "band 5")
        assert found.area == pytest.approx(known.area, rel=0.03)
        energies = 0.7 * s_band(fractions(found.vertices, cell), cell) + 0.21
        assert np.sqrt((energies**2).mean()) < 0.5 * GRID.step

    @pytest.mark.parametrize("shift", [-0.4, 0.0, 0.33])
    def test_bands_that_share_bins_are_sheets_each(self, shift):
        cell = CELLS["sc"]
        band = s_band(KPOINTS, cell)
        bands = np.stack([band + shift, band + shift + 0.5], axis=1)
        known, found = (
            band_surfaces(bands, KPOINTS, cell, upsample=2),
            fermi_surface(occupancy(bands, cell), upsample=2),
        )
        assert len(known) == len(found) == 2
        for one, other in zip(known, found, strict=True):
            assert other.area == pytest.approx(one.area, rel=0.05)

    def test_counted_bands_are_the_bands_to_half_a_bin(self):
        cell = CELLS["fcc"]
        bands = metal(cell)
        given = occupancy(bands, cell)
        assert np.abs(counted_bands(given) - np.sort(bands, axis=1)).max() <= GRID.step / 2 + 1e-9
        assert_array_equal(filling(given), (bands < 0).sum(axis=1))
        assert filling(given).mean() == pytest.approx((bands < 0).sum() / len(bands))

    @given(st.integers(0, 2**32 - 1))
    @settings(max_examples=30, deadline=None)
    def test_states_are_below_the_fermi_level_where_filling_passes_a_half(self, seed):
        rng = np.random.default_rng(seed)
        grid = energy_bins(7 + seed % 2, 1.0)  # with a bin across the Fermi level, or none
        counts = rng.uniform(0, 1.5, (5, grid.size)) * (rng.uniform(size=(5, grid.size)) < 0.6)
        given = KResolvedOccupancy(grid, np.zeros((5, 3)), np.minimum(counts, 1), np.eye(3), counts=counts)
        bands = counted_bands(given)
        assert (np.diff(bands, axis=1) >= 0).all()
        for n, band in enumerate(bands.T):
            assert_array_equal(band < 0, filling(given) > n + 0.5)

    def test_a_band_that_leaves_the_bins_is_not_counted_from_a_gap_on(self):
        cell = CELLS["sc"]
        bands = np.stack([s_band(KPOINTS, cell) - 10.0, 0.5 * s_band(KPOINTS, cell) + 0.3], axis=1)
        given = occupancy(bands, cell)
        (known,) = band_surfaces(bands, KPOINTS, cell, upsample=2)
        (false,) = fermi_surface(given, upsample=2)
        (sheet,) = fermi_surface(given, low=-5.0, upsample=2)
        assert sheet.area == pytest.approx(known.area, rel=0.05)
        assert false.area > 1.5 * known.area

    def test_a_shell_is_inside_and_outside(self):
        cell = CELLS["sc"]
        bands = metal(cell)
        (known,) = band_surfaces(bands, KPOINTS, cell, upsample=2)
        (shell,) = fermi_surface(occupancy(bands, cell, "presence"), method="shell", window=0.4, upsample=2)
        energies = 0.7 * s_band(fractions(shell.vertices, cell), cell) + 0.21
        assert shell.area > 1.5 * known.area
        assert (energies > 0.1).any()
        assert (energies < -0.1).any()
        assert np.abs(energies).max() < 1.0

    @pytest.mark.parametrize("method", ["filling", "shell"])
    def test_an_insulator_has_none(self, method):
        cell = CELLS["fcc"]
        bands = insulator(cell)
        assert fermi_surface(occupancy(bands, cell), method=method) == ()
        assert band_surfaces(bands, KPOINTS, cell) == ()

    def test_bands_that_some_kpoints_lack_are_left_out(self):
        cell = CELLS["sc"]
        bands = np.column_stack([s_band(KPOINTS, cell), np.where(KPOINTS[:, 0] > 0, np.inf, 3.0)])
        assert [s.label for s in band_surfaces(bands, KPOINTS, cell, upsample=1)] == ["band 1"]

    def test_what_is_missing_is_said(self):
        cell = CELLS["sc"]
        given = occupancy(metal(cell), cell, "presence")
        with pytest.raises(ValueError, match=r"no counts.*method=.shell"):
            fermi_surface(given)
        with pytest.raises(ValueError, match="method must be one of 'filling', 'shell'"):
            fermi_surface(given, method="guess")
        with pytest.raises(ValueError, match=r"No bin is within 0\.01 eV"):
            fermi_probability(given, 0.01)


def insulator(cell):
    """A valence band that is highest at Gamma, and a conduction band that is lowest at the corners, 1 eV apart."""
    band = s_band(KPOINTS, cell)
    top, bottom = -band.min(), -band.max()
    return np.stack([-0.5 + (-band - top) / 2, 0.5 + (-band - bottom) / 2], axis=1)


class TestEdges:
    def test_surfaces_of_occupancies_are_those_of_eigenvalues(self):
        cell = CELLS["sc"]
        bands = insulator(cell)
        options = {"depth": 0.3, "upsample": 3}
        known = band_edge_surfaces(bands, KPOINTS, cell, n_electrons=2, **options)
        found = edge_surfaces(occupancy(bands, cell), **options)
        for one, other, level in zip(known, found, (-0.8, 0.8), strict=True):
            assert one.label == other.label
            assert one.level == pytest.approx(level)
            assert other.level == pytest.approx(level, abs=GRID.step / 2)
            assert other.area == pytest.approx(one.area, rel=0.15)
        valence, conduction = (np.linalg.norm(surface.vertices, axis=1) for surface in known)
        assert valence.max() < 0.9 < conduction.min()  # 1/angstrom: around Gamma, and around the corners

    def test_expected_edges_are_those_of_draws(self):
        rng = np.random.default_rng(0)
        grid = energy_bins(12, 3.0)
        p = rng.uniform(0, 0.6, (2, 12))
        given = KResolvedOccupancy(grid, np.zeros((2, 3)), p, np.eye(3))
        drawn = rng.uniform(size=(40_000, 2, 12)) < p
        for found, energies, side in (
            (
                highest_state(given, 0.6),
                np.where(drawn & (grid.energies < 0.6), grid.energies, -np.inf).max(axis=2),
                -1,
            ),
            (
                lowest_state(given, -0.2),
                np.where(drawn & (grid.energies >= -0.2), grid.energies, np.inf).min(axis=2),
                1,
            ),
        ):
            for k in range(2):
                some = energies[:, k] * side < np.inf
                assert found[k] == pytest.approx(energies[some, k].mean(), abs=0.03)

    def test_counted_edges_are_those_of_eigenvalues_within_half_a_bin(self):
        bands = np.random.default_rng(1).uniform(0.3, 9.0, (50, 2)) * [-1, 1]
        counts = label_bins(bands, GRID, "counts")
        given = KResolvedOccupancy(GRID, np.zeros((50, 3)), counts, np.eye(3), counts=counts)
        for found, expected in zip(counted_edges(given), bands.T, strict=True):
            assert_allclose(found, expected, atol=GRID.step / 2 + 1e-9)
        haze = replace(given, counts=given.counts + 0.002)  # of which a gap of 5 eV holds a tenth of a state
        for found, expected in zip(counted_edges(haze), counted_edges(given), strict=True):
            assert np.abs(found - expected).max() < 0.26 * GRID.step

    def test_counted_edges_without_states_are_the_ends_of_the_bins(self):
        empty = KResolvedOccupancy(GRID, np.zeros((1, 3)), np.zeros((1, 256)), np.eye(3), counts=np.zeros((1, 256)))
        highest, lowest = counted_edges(empty)
        assert (highest[0], lowest[0]) == (pytest.approx(-10), pytest.approx(10))

    def test_nothing_there_is_the_end_of_the_bins(self):
        empty = KResolvedOccupancy(GRID, np.zeros((1, 3)), np.zeros((1, 256)), np.eye(3))
        assert highest_state(empty).tolist() == [GRID.energies[0]]
        assert lowest_state(empty).tolist() == [GRID.energies[-1]]

    def test_edges_of_eigenvalues_are_counted(self):
        valence, conduction = edge_bands([[3.0, 1.0, 2.0], [5.0, 0.0, 9.0]], 4)
        assert (valence.tolist(), conduction.tolist()) == ([2, 5], [3, 9])

    def test_bad_input(self):
        cell = CELLS["sc"]
        with pytest.raises(ValueError, match="even number of electrons; got 3"):
            edge_bands(np.zeros((1, 4)), 3)
        with pytest.raises(ValueError, match="2 filled bands and one empty band are needed; eigenvalues has 2"):
            edge_bands(np.zeros((1, 2)), 4)
        with pytest.raises(ValueError, match=r"depth must be between 0 and .*; got 5 eV"):
            edge_surfaces(occupancy(insulator(cell), cell), depth=5.0)
        with pytest.raises(ValueError, match="no bin below -20 eV"):
            highest_state(occupancy(insulator(cell), cell), -20.0)
        with pytest.raises(ValueError, match="no bin above 20 eV"):
            lowest_state(occupancy(insulator(cell), cell), 20.0)


def test_counting_begins_where_no_band_passes():
    grid = energy_bins(64, 8.0)
    k = np.linspace(0, 1, 20, endpoint=False)
    bands = np.stack([-7.9 + 0.5 * np.cos(2 * np.pi * k), -2.0 + np.cos(2 * np.pi * k)], axis=1)
    counts = label_bins(bands, grid, "counts")
    kpoints = np.column_stack([k, 0 * k, 0 * k])
    known = KResolvedOccupancy(grid, kpoints, np.minimum(counts, 1), np.eye(3), counts=counts)
    low = emptiest_energy(known)
    assert -7.4 < low < -2.9  # between the band that leaves the bins and the next
    assert_allclose(filling(known, low), 1.0)
