import numpy as np
import pytest

from ldosml import EnergyGrid


def test_from_array_recovers_the_grid():
    grid = EnergyGrid.from_array(np.linspace(-3, 2, 11), zero="vacuum")
    assert (grid.start, grid.size, grid.zero) == (-3.0, 11, "vacuum")
    assert grid.step == pytest.approx(0.5)
    assert grid.stop == 2.0


@pytest.mark.parametrize(
    ("energies", "message"),
    [
        ([0.0, 1.0, 2.5], "equal steps"),
        ([2.0, 1.0, 0.0], "equal steps"),
        ([0.0, np.nan, 2.0], r"finite; 1 entries .* \[1\]"),
        ([1.0], "at least 2"),
        ([[0.0, 1.0]], "1-D"),
    ],
)
def test_from_array_refuses(energies, message):
    with pytest.raises(ValueError, match=message):
        EnergyGrid.from_array(energies, zero="fermi")


def test_unknown_reference_is_refused():
    with pytest.raises(ValueError, match="'fermi', 'average_potential', 'vacuum', 'code'; got 'zero'"):
        EnergyGrid(0.0, 0.1, 5, "zero")


def test_cut_keeps_both_ends_and_the_energies():
    grid = EnergyGrid.from_range(-1, 1, 0.1, zero="fermi")
    part = grid.cut(-0.3, 0.4)
    np.testing.assert_array_equal(part.energies, grid.energies[grid.window(-0.3, 0.4)])
    assert part.energies[0] == -0.3
    assert part.energies[-1] == 0.4
    with pytest.raises(ValueError, match="No energies between 5 and 6 eV"):
        grid.cut(5, 6)


def test_grids_match_only_with_the_same_zero():
    grid = EnergyGrid.from_range(-1, 1, 0.1, zero="fermi")
    assert grid.matches(EnergyGrid.from_range(-1, 1, 0.1, zero="fermi"))
    assert not grid.matches(EnergyGrid.from_range(-1, 1, 0.1, zero="vacuum"))
    with pytest.raises(ValueError, match=r"21 energies.*11 energies"):
        grid.require_match(EnergyGrid.from_range(-1, 1, 0.2, zero="fermi"), "Two spectra")
