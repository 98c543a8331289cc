from decimal import Decimal

import numpy as np
import pytest
from ase import Atoms

from ldosml import EnergyGrid, LDOSDataset


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


UNITS = {"joule": 1.602176634e-19, "hartree": 1 / 27.211386, "rydberg": 1 / 13.605693, "meV": 1e3, "1/cm": 8065.54}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("low", "high", "step"), [(-10.0, 5.0, 0.05), (-3.0, 3.0, 0.1), (-20.0, 20.0, 1e-3)])
def test_a_step_of_another_unit_is_refused_with_it(unit, low, high, step):
    energies = np.arange(low, high, step) * UNITS[unit]
    spacing = energies[1] - energies[0]
    if 1e-4 <= spacing <= 1.0:  # as it may be in eV
        assert EnergyGrid.from_array(energies, "fermi").size == energies.size
        return
    for make in (
        lambda: EnergyGrid.from_array(energies, "fermi"),
        lambda: EnergyGrid(energies[0], spacing, energies.size, "fermi"),
        lambda: EnergyGrid.from_range(energies[0], energies[-1], spacing, "fermi"),
        lambda: LDOSDataset.from_arrays([Atoms("Si")], energies, dos=np.ones((1, energies.size))),
    ):
        with pytest.raises(ValueError, match=r"must be 0\.0001 to 1 eV; got .*"):
            make()
    with pytest.raises(ValueError, match=rf"Are the energies in .*{unit}\b"):
        EnergyGrid.from_array(energies, "fermi")


@pytest.mark.parametrize("step", [1e-4, 1 / 3, 0.05, 0.1 / 7, 1.0])
def test_energies_are_start_and_steps_to_rounding(step):
    grid = EnergyGrid(-12.3456789012345, step, 4000, "code")
    exact = np.array([Decimal(grid.start) + n * Decimal(step) for n in range(grid.size)], dtype=np.longdouble)
    assert np.abs(grid.energies - exact).max() <= 8 * np.finfo(float).eps * np.abs(exact).max()


def test_decimals_stay_decimals():
    energies = EnergyGrid.from_range(-14.0, 5.0, 0.05, "fermi").energies
    assert [repr(x) for x in energies.tolist()] == [repr(float(f"{n * 0.05 - 14:.2f}")) for n in range(381)]


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


class TestPrintedEnergies:
    """An even axis, printed with few decimals."""

    @pytest.mark.parametrize(
        ("low", "high", "size", "decimals"),
        [
            (-34.22613508, 2.24280954, 301, 3),
            (-20.0, 15.8, 2000, 4),
            (-1.23456, 7.654321, 3000, 4),
            (-0.50049, 0.50049, 70, 3),
            (0.1, 1.0123456, 5, 5),
            (-11.11117, 0.0, 4000, 5),
        ],
    )
    def test_are_accepted(self, low, high, size, decimals):
        axis = np.linspace(low, high, size)
        grid = EnergyGrid.from_array(np.round(axis, decimals), "code")
        assert grid.size == size
        np.testing.assert_allclose(grid.energies, axis, atol=10.0**-decimals)
        assert abs(grid.energies - np.round(axis, decimals)).max() <= 1.01 * 10.0**-decimals

    @pytest.mark.parametrize("level", [5.123456, -0.00003, 7.0])
    def test_are_accepted_minus_a_level(self, level):
        axis = np.linspace(-34.22613508, 2.24280954, 301)
        grid = EnergyGrid.from_array(np.round(axis, 3) - level, "fermi")
        np.testing.assert_allclose(grid.energies, axis - level, atol=1e-3)

    def test_an_even_axis_is_kept_as_it_is(self):
        assert EnergyGrid.from_array(np.arange(-2, 2.01, 0.05).round(3), "code").start == -2.0

    @pytest.mark.parametrize(
        "axis",
        [
            [0.0, 1.0, 3.0],
            [0.0, 0.1, 0.2, 0.302],
            np.round(np.linspace(0, 10, 101) + 2e-3 * np.sin(np.arange(101)), 3),
            np.round(np.linspace(0, 3, 101) ** 1.001, 4),
            np.linspace(0, 10, 101) + 4e-4 * np.sin(np.arange(101)),  # all digits, so no rounding explains it
            np.arange(0, 0.1, 0.0014).round(3),  # the rounding is as large as the step
        ],
    )
    def test_an_uneven_axis_is_refused(self, axis):
        with pytest.raises(ValueError, match="must ascend in equal steps"):
            EnergyGrid.from_array(axis, "code")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": 1e300}, "start of an EnergyGrid must be a number"),
        ({"start": "low"}, "start of an EnergyGrid must be a number"),
        ({"size": np.inf}, "size of an EnergyGrid must be a whole number"),
        ({"size": 2.5}, "size of an EnergyGrid must be a whole number"),
        ({"size": "many"}, "size of an EnergyGrid must be a whole number"),
        ({"step": np.nan}, "step of an EnergyGrid must be a positive number"),
    ],
)
def test_numbers_without_sense_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        EnergyGrid(**{"start": 0.0, "step": 0.1, "size": 5, "zero": "code"} | changes)
