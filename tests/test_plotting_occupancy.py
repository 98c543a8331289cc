import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.testing import assert_allclose
from tight_binding import CELLS, s_band

from ldosml import DOS, plotting
from ldosml.kresolved import Isosurface, KPath, KResolvedOccupancy, brillouin_zone, counted_dos, energy_bins, gamma_mesh
from ldosml.kresolved.occupancy import label_bins

CELL = CELLS["fcc"]
GRID = energy_bins(64, 5.0)
PATH = KPath.from_cell(CELL, 60)
BANDS = np.stack([s_band(PATH.kpoints, CELL), np.where(PATH.distances > 2, np.inf, 3.0)], axis=1)


def occupied(kpoints=PATH.kpoints, bands=BANDS, **options):
    return KResolvedOccupancy(GRID, kpoints, label_bins(bands, GRID), CELL, **options)


def mesh_dos():
    kpoints, weights = gamma_mesh(4)
    counts = label_bins(s_band(kpoints, CELL)[:, None], GRID, "counts")
    return counted_dos(KResolvedOccupancy(GRID, kpoints, np.minimum(counts, 1), CELL, weights, counts), 1)


def triangle(label="band 1", distance=0.5):
    vertices = distance * np.eye(3)
    return Isosurface(vertices, np.array([[0, 1, 2]]), 0.0, label)


class TestBands:
    def test_the_image_is_that_of_the_probabilities(self):
        ax = Figure().subplots()
        image = plotting.plot_band_image(ax, occupied(), PATH, bands=BANDS, low=-4.0)
        assert_allclose(image.get_array(), occupied().probabilities.T)
        assert [text.get_text() for text in ax.get_xticklabels()] == [
            "Γ",
            "X",
            "W",
            "K",
            "Γ",
            "L",
            "U",
            "W",
            "L",
            "K|U",
            "X",
        ]
        assert_allclose(ax.get_xticks(), PATH.ticks[0])
        assert ax.get_ylim() == (-4.0, 5.0)
        assert "(eV)" in ax.get_ylabel()

    @pytest.mark.parametrize("with_dos", [False, True])
    def test_names_of_close_corners_do_not_overlap(self, with_dos):
        cell = [[0, 3, 4], [2, 0, 4], [2, 3, 0]]
        path = KPath.from_cell(cell, 120)
        assert "Y|T X₁|X" in " ".join(path.ticks[1])
        found = KResolvedOccupancy(GRID, path.kpoints, np.zeros((len(path), GRID.size)), cell)
        figure = plotting.band_figure(found, path, dos=mesh_dos() if with_dos else None)
        figure.draw_without_rendering()
        ticks = [tick for tick in figure.axes[0].get_xticklabels() if tick.get_text()]
        boxes = [tick.get_window_extent() for tick in ticks]
        line = min(box.height for box in boxes)
        # An extent counts the empty first lines of a name that stands lower.
        shown = [Bbox.from_extents(box.x0, box.y0, box.x1, box.y0 + line) for box in boxes]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(shown, 2))
        assert {tick.get_text().strip() for tick in ticks} == set(path.ticks[1])

    def test_every_bin_is_drawn_around_its_kpoint(self):
        """The dots of the eigenvalues lie in dark cells, at both sides of the jump as well."""
        ax = Figure().subplots()
        image = plotting.plot_band_image(ax, occupied(), PATH, bands=BANDS)
        ends = image.get_coordinates()
        (dots,) = [line for line in ax.lines if line.get_label() == "DFT eigenvalues"]
        assert len(dots.get_xdata()) == np.isfinite(BANDS).sum()
        widths = np.diff(ends[0, :, 0])
        assert (widths > 0).all()
        for k, x in enumerate(PATH.distances):
            assert ends[0, k, 0] - 1e-9 <= x <= ends[0, k + 1, 0] + 1e-9

    def test_other_kpoints_are_refused(self):
        ax = Figure().subplots()
        with pytest.raises(ValueError, match="kpoints of the occupancies must have shape"):
            plotting.plot_band_image(ax, occupied(PATH.kpoints[1:], BANDS[1:]), PATH)
        with pytest.raises(ValueError, match="bands must have shape"):
            plotting.plot_band_image(ax, occupied(), PATH, bands=BANDS[1:])

    def test_the_dos_stands_beside_its_bands(self):
        dos = mesh_dos()
        figure = plotting.band_figure(occupied(), PATH, bands=BANDS, dos=dos, true_dos=dos, low=-4.0, high=3.0)
        bands, beside = figure.axes[:2]
        assert bands.get_ylim() == beside.get_ylim() == (-4.0, 3.0)
        styles = {line.get_label(): line.get_linestyle() for line in beside.lines[:2]}
        assert styles == {"DFT": "--", "predicted": "-"}
        assert_allclose(beside.lines[1].get_xdata(), dos.values[0])
        assert "states/eV/atom" in beside.get_xlabel()
        assert [text.get_text() for text in figure.legends[0].texts] == ["DFT eigenvalues", "DFT", "predicted"]
        plotting.files.png(figure)

    def test_without_a_dos_there_is_one_panel(self):
        figure = plotting.band_figure(occupied(), PATH)
        assert [ax.get_ylabel() for ax in figure.axes][1] == "probability of a state"
        assert len(figure.axes) == 2
        assert not figure.legends

    def test_several_structures_have_no_place_beside_bands(self):
        two = DOS(GRID, np.zeros((2, 64)), n_atoms=np.array([1, 1]))
        with pytest.raises(ValueError, match="DOS per atom must have shape"):
            plotting.plot_occupancy_dos(Figure().subplots(), two)


class TestIsosurfaces:
    def test_surfaces_and_the_zone_are_drawn(self):
        figure = plotting.isosurface_figure(
            {"DFT": [triangle(), triangle("band 2", 0.3)], "model": [triangle("band 2", 0.3)]}, CELL
        )
        first, second = figure.axes
        assert (first.get_title(), second.get_title()) == ("DFT", "model")
        surfaces, behind, before = first.collections
        assert len(surfaces.get_facecolor()) == 2
        edges = brillouin_zone(CELL).edges
        assert len(behind._segments3d) + len(before._segments3d) == len(edges)
        assert len(before._segments3d) > len(behind._segments3d) > 0
        assert [text.get_text() for text in figure.legends[0].texts] == ["band 1", "band 2"]
        named = np.array([patch.get_facecolor()[:3] for patch in figure.legends[0].get_patches()])
        (other,) = second.collections[0].get_facecolor()[:, :3]  # shaded
        assert np.abs(named - other).sum(axis=1).argmin() == 1
        plotting.files.png(figure)

    def test_edges_in_front_are_nearer_than_those_behind(self):
        figure = plotting.isosurface_figure({"": [triangle()]}, CELLS["sc"])
        (ax,) = figure.axes
        _, behind, before = ax.collections
        assert (len(behind._segments3d), len(before._segments3d)) == (3, 9)  # of a cube that is not seen face on
        view = np.array([np.cos(np.radians(ax.azim)), np.sin(np.radians(ax.azim)), np.tan(np.radians(ax.elev))])
        depths = [np.mean(np.asarray(lines._segments3d) @ view) for lines in (behind, before)]
        assert depths[0] < depths[1]

    def test_the_two_sides_differ(self):
        there = triangle()
        back = Isosurface(there.vertices, there.faces[:, ::-1], 0.0)
        figure = plotting.isosurface_figure({"a": [there], "b": [back]}, CELL)
        front, pale = (ax.collections[0].get_facecolor()[0, :3].sum() for ax in figure.axes)
        assert front < pale

    def test_nothing_to_draw_is_said(self):
        figure = plotting.isosurface_figure({"an insulator": ()}, CELL)
        assert [text.get_text() for text in figure.axes[0].texts] == ["no surface"]
        with pytest.raises(ValueError, match="surfaces must have at least one panel"):
            plotting.isosurface_figure({}, CELL)

    def test_more_than_four_take_another_row(self):
        figure = plotting.isosurface_figure({str(n): [triangle()] for n in range(5)}, CELL)
        assert figure.axes[4].get_subplotspec().rowspan.start == 1


def test_importing_the_figures_takes_neither_torch_nor_scikit_image():
    code = "import sys, ldosml.plotting; sys.exit(bool({'torch', 'skimage', 'spglib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
