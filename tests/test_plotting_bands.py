"""Figures of bands as lines: what is drawn, where lines are interrupted, and what is refused."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from ldosml.energy import EnergyGrid
from ldosml.kresolved import KPath
from ldosml.plotting import band_line_figure, plot_band_lines, unfolded_figure
from ldosml.spectra import DOS

FCC = 2.0 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
PATH = KPath.from_cell(FCC, 60)
BANDS = np.cos(2 * np.pi * PATH.kpoints).sum(axis=1)[:, None] + np.array([-3.0, 4.0])


def lines_of(ax):
    return [c for c in ax.collections if isinstance(c, LineCollection)]


def test_lines_end_where_the_path_is_interrupted():
    """Between K and U the path jumps; no line may cross the jump."""
    ax = Figure().subplots()
    plot_band_lines(ax, PATH, BANDS)
    (lines,) = lines_of(ax)
    segments = lines.get_segments()
    jumps = [i for (i, _), (j, _) in zip(PATH.corners, PATH.corners[1:], strict=False) if j == i + 1]
    assert len(jumps) == 1
    assert len(segments) == 2 * 2
    assert sum(len(one) for one in segments) == 2 * len(PATH)
    assert {len(one) for one in segments} == {jumps[0] + 1, len(PATH) - jumps[0] - 1}


def test_every_band_is_drawn_where_it_is_known():
    true = BANDS.copy()
    true[5:, 1] = np.inf
    ax = Figure().subplots()
    plot_band_lines(ax, PATH, BANDS, true=true, low=-8.0, high=9.0)
    dft, predicted = lines_of(ax)
    assert sum(len(one) for one in dft.get_segments()) == len(PATH) + 5
    assert sum(len(one) for one in predicted.get_segments()) == 2 * len(PATH)
    assert ax.get_ylim() == (-8.0, 9.0)


def test_the_spread_is_a_shade_of_its_width():
    ax = Figure().subplots()
    plot_band_lines(ax, PATH, BANDS, spread=np.full(BANDS.shape, 0.25))
    shades = [c for c in ax.collections if not isinstance(c, LineCollection)]
    heights = [np.ptp(shade.get_paths()[0].vertices[:, 1]) for shade in shades]
    assert len(shades) == 2 * 2
    assert max(heights) == pytest.approx(np.ptp(BANDS[:, 0]) + 0.5, abs=1e-6)


def test_the_axis_of_the_dos_fits_what_is_shown():
    """A spike far below the picture does not flatten the rest."""
    grid = EnergyGrid.from_range(-30.0, 10.0, 0.5, "fermi")
    values = np.where(grid.energies < -20, 500.0, 2.0)[None]
    dos = DOS(grid, values, n_atoms=np.array([1]))
    figure = band_line_figure(PATH, BANDS, dos=dos, true_dos=dos, true=BANDS)
    left, right = figure.axes
    assert right.get_xlim()[1] < 3
    assert left.get_ylim() == right.get_ylim() == (-10.0, 8.0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["DFT", "predicted"]


def test_states_of_a_supercell_are_an_image_of_their_weights():
    energies, weights = np.tile([-2.0, 3.0], (len(PATH), 1)), np.tile([1.0, 0.25], (len(PATH), 1))
    figure = unfolded_figure(PATH, energies, weights, width=0.2)
    (image,) = [c for c in figure.axes[0].collections if isinstance(c, QuadMesh)]
    values = np.asarray(image.get_array()).reshape(-1, len(PATH))
    step = 18.0 / len(values)
    assert_allclose(values.sum(axis=0) * step, 1.25, rtol=1e-3)
    assert values.max() == pytest.approx(1 / (0.2 * np.sqrt(2 * np.pi)), rel=0.1)


def test_bands_elsewhere_are_refused():
    with pytest.raises(ValueError, match="n_kpoints of the path"):
        band_line_figure(PATH, BANDS[1:])
    with pytest.raises(ValueError, match="n_kpoints of the path"):
        band_line_figure(PATH, BANDS, spread=BANDS[:, :1])
    with pytest.raises(ValueError, match="n_kpoints of the path"):
        unfolded_figure(PATH, BANDS, BANDS[:, :1])
