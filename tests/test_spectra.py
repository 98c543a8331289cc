import numpy as np
import pandas as pd
import pytest

from ldosml import DOS, LDOS, EnergyGrid
from ldosml._array import to_numpy

GRID = EnergyGrid.from_range(-10, 10, 0.05, zero="code")
RNG = np.random.default_rng(5)


def peaks(energies, positions, width):
    """One normalised Gaussian a row."""
    u = (energies - to_numpy(positions)[:, None]) / width
    return np.exp(-0.5 * u**2) / (width * np.sqrt(2 * np.pi))


@pytest.fixture
def ldos(xp):
    values = peaks(GRID.energies, [-1.0, 0.5, 2.0], 0.2)
    return LDOS(GRID, xp.asarray(values), 0.2, structure_index=xp.asarray([0, 0, 1]), numbers=xp.asarray([14, 6, 14]))


def test_atoms_add_up_to_the_structure(ldos):
    dos = ldos.total()
    values = to_numpy(ldos.values)
    np.testing.assert_allclose(to_numpy(dos.values), [values[0] + values[1], values[2]])
    np.testing.assert_array_equal(dos.n_atoms, [2, 1])
    np.testing.assert_allclose(to_numpy(dos.per_atom())[0], (values[0] + values[1]) / 2)


def test_broaden_to_is_the_wider_gaussian(ldos):
    wide = ldos.broaden_to(0.5)
    assert wide.smearing_width == 0.5
    np.testing.assert_allclose(to_numpy(wide.values), peaks(GRID.energies, [-1.0, 0.5, 2.0], 0.5), atol=1e-10)
    with pytest.raises(ValueError, match=r"0\.2 eV wide already"):
        ldos.broaden_to(0.1)


def test_broaden_adds_the_width_in_quadrature(ldos):
    assert ldos.broaden(0.3).smearing_width == pytest.approx(np.hypot(0.2, 0.3))


def test_resample_follows_the_curve(ldos):
    fine = EnergyGrid.from_range(-4.01, 4.99, 0.013, zero="code")
    resampled = ldos.resample(fine)
    np.testing.assert_allclose(to_numpy(resampled.values), peaks(fine.energies, [-1.0, 0.5, 2.0], 0.2), atol=1e-4 * 2.0)


def test_refer_to_moves_each_structure_by_its_own_zero(ldos, xp):
    grid = EnergyGrid.from_range(-4, 4, 0.05, zero="fermi")
    moved = ldos.refer_to(xp.asarray([0.513, -1.27]), grid)
    expected = peaks(grid.energies, [-1.0 - 0.513, 0.5 - 0.513, 2.0 + 1.27], 0.2)
    np.testing.assert_allclose(to_numpy(moved.values), expected, atol=1e-4 * 2.0)
    assert moved.grid.zero == "fermi"
    # Summing before or after is the same.
    np.testing.assert_allclose(
        to_numpy(ldos.total().refer_to(xp.asarray([0.513, -1.27]), grid).values),
        to_numpy(moved.total().values),
        atol=1e-12,
    )


def test_nothing_is_extrapolated(ldos, xp):
    with pytest.raises(ValueError, match=r"known from -10\.000 to 10\.000 eV only"):
        ldos.refer_to(xp.asarray([8.0, 0.0]), EnergyGrid.from_range(-4, 4, 0.05, zero="fermi"))
    with pytest.raises(ValueError, match="Use refer_to"):
        ldos.resample(EnergyGrid.from_range(-4, 4, 0.05, zero="fermi"))


def test_select_reorders_structures(ldos):
    chosen = ldos.select([1, 0])
    np.testing.assert_array_equal(to_numpy(chosen.values), to_numpy(ldos.values)[[2, 0, 1]])
    np.testing.assert_array_equal(to_numpy(chosen.structure_index), [0, 1, 1])
    np.testing.assert_array_equal(to_numpy(chosen.numbers), [14, 14, 6])


def test_of_structure(ldos):
    np.testing.assert_array_equal(to_numpy(ldos.of_structure(1)), to_numpy(ldos.values)[2:])


@pytest.mark.parametrize(
    ("index", "message"),
    [([0, 1], r"shape \(3\)"), ([1, 1, 2], "starting at 0"), ([0, 2, 2], "without gaps"), ([0, 1, 0], "ascending")],
)
def test_bad_structure_index(index, message):
    with pytest.raises(ValueError, match=message):
        LDOS(GRID, np.zeros((3, GRID.size)), structure_index=np.array(index))


def test_values_must_be_finite_and_on_the_grid():
    values = np.zeros((2, GRID.size))
    values[1, 3] = np.nan
    with pytest.raises(ValueError, match=r"values of a DOS must be finite; 1 entries .* \[1, 3\]"):
        DOS(GRID, values)
    with pytest.raises(ValueError, match=r"\(any, 401\) = \(n_structures, n_energies\); got \(2, 400\)"):
        DOS(GRID, values[:, :400])
    with pytest.raises(ValueError, match="needs structure_index"):
        LDOS(GRID, np.zeros((2, GRID.size)))


def test_from_eigenvalues_is_equation_7_written_out(xp):
    rng = np.random.default_rng(2)
    eigenvalues, kpoints = rng.uniform(-5, 5, (4, 6)), np.array([0.1, 0.2, 0.3, 0.4])
    shares = rng.uniform(0, 1, (3, 4, 6))
    shares /= shares.sum(axis=0)
    ldos = LDOS.from_eigenvalues(*(xp.asarray(a) for a in (eigenvalues, 5 * kpoints, shares)), GRID, 0.2)
    expected = np.zeros((3, GRID.size))
    for atom in range(3):
        for k in range(4):
            for band in range(6):
                line = peaks(GRID.energies, [eigenvalues[k, band]], 0.2)[0]
                expected[atom] += 2 * kpoints[k] * shares[atom, k, band] * line
    np.testing.assert_allclose(to_numpy(ldos.values), expected, atol=1e-4 * expected.max())
    # Two electrons in each of six bands.
    assert float(to_numpy(ldos.total().values).sum()) * GRID.step == pytest.approx(12.0)
    with pytest.raises(ValueError, match=r"kpoint_weights must have shape \(4\)"):
        LDOS.from_eigenvalues(*(xp.asarray(a) for a in (eigenvalues, kpoints[:3], shares)), GRID, 0.2)


def test_values_are_real_and_double(xp):
    single = LDOS(GRID, xp.asarray(np.full((3, GRID.size), 0.1), dtype=xp.float32), structure_index=[0, 0, 0])
    assert single.values.dtype == xp.float64
    assert LDOS(GRID, [[1] * GRID.size], structure_index=[0]).total().values[0, 0] == 1.0
    with pytest.raises(TypeError, match=r"must be real numbers; got .*complex128"):
        DOS(GRID, xp.asarray(np.ones((1, GRID.size)) * 1j))
    with pytest.raises(TypeError, match="structure_index must be integers"):
        LDOS(GRID, np.zeros((2, GRID.size)), structure_index=[0.0, 0.5])
    with pytest.raises(ValueError, match="width must be a positive number"):
        single.broaden_to(np.nan)


def test_spin_channels_one_after_another_along_the_k_points():
    rng = np.random.default_rng(3)
    bands, kpoints, shares = rng.uniform(-3, 3, (4, 5)), rng.uniform(0, 1, 4), np.ones((1, 4, 5))
    both = LDOS.from_eigenvalues(bands, kpoints, shares, GRID, 0.2).values
    twice = [np.concatenate([a, a], axis=axis) for a, axis in ((bands, 0), (kpoints, 0), (shares, 1))]
    np.testing.assert_allclose(LDOS.from_eigenvalues(*twice, GRID, 0.2).values, both, atol=1e-12)


def test_repr_is_one_line(ldos):
    assert (
        repr(ldos) == "LDOS(3 environments; 401 energies from -10 to 10 eV, step 0.05, zero: code; smeared by 0.2 eV)"
    )
    assert repr(ldos.total()).startswith("DOS(2 structures; 401 energies")


@pytest.mark.parametrize("width", [-0.3, np.nan, np.inf])
def test_smearing_width_must_be_one(width):
    grid = EnergyGrid.from_range(0.0, 1.0, 0.5, zero="code")
    with pytest.raises(ValueError, match="smearing_width of a DOS must be from 0 to 1000 eV"):
        DOS(grid, np.ones((1, 3)), width)


@pytest.mark.parametrize("value", [1e300, -1e300, np.inf])
def test_values_that_overflow_are_refused(value):
    grid = EnergyGrid.from_range(0.0, 1.0, 0.5, zero="code")
    with pytest.raises(ValueError, match=r"values of a DOS must be finite; 1 entries .* the first at \[1, 2\]"):
        DOS(grid, [[1.0, 1.0, 1.0], [1.0, 1.0, value]])


@pytest.mark.parametrize("number", [0, 119, np.nan])
def test_numbers_of_no_element_are_refused(number):
    grid = EnergyGrid.from_range(0.0, 1.0, 0.5, zero="code")
    with pytest.raises(ValueError, match="numbers must be atomic numbers, 1 to 118"):
        LDOS(grid, np.ones((2, 3)), structure_index=[0, 0], numbers=[14, number])


def test_masked_arrays_are_refused():
    grid = EnergyGrid.from_range(0.0, 1.0, 0.5, zero="code")
    with pytest.raises(TypeError, match="must not be a masked array"):
        DOS(grid, np.ma.masked_greater(np.ones((1, 3)), 0.5))


@pytest.mark.parametrize(
    ("indices", "kept"), [([2, 0], [2, 0]), ([-1], [2]), ([True, False, True], [0, 2]), (slice(1, None), [1, 2])]
)
def test_select_takes_what_a_dataset_takes(indices, kept):
    spectra = LDOS(GRID, RNG.uniform(size=(6, GRID.size)), structure_index=[0, 1, 1, 2, 2, 2])
    chosen = spectra.select(indices)
    assert chosen.n_atoms.tolist() == [s + 1 for s in kept]
    for place, structure in enumerate(kept):
        np.testing.assert_array_equal(chosen.of_structure(place), spectra.of_structure(structure))


def test_structures_that_are_not_there_are_named():
    spectra = LDOS(GRID, RNG.uniform(size=(3, GRID.size)), structure_index=[0, 1, 1])
    with pytest.raises(IndexError, match=r"indices must lie in -2\.\.1, for 2 structures; got 2"):
        spectra.select([2])
    with pytest.raises(ValueError, match="one entry for each of the 2 structures; got 3"):
        spectra.select([True, False, True])
    for structure in (2, -1):
        with pytest.raises(IndexError, match=rf"structure must lie in 0\.\.1; got {structure}"):
            spectra.of_structure(structure)


def test_columns_of_a_table_are_arrays():
    values = RNG.uniform(size=(3, GRID.size))
    index, numbers = pd.Series([0, 1, 1], index=[7, 8, 9]), pd.Series([14, 14, 6], index=[7, 8, 9])
    spectra = LDOS(GRID, pd.DataFrame(values), structure_index=index, numbers=numbers)
    expected = LDOS(GRID, values, structure_index=[0, 1, 1], numbers=[14, 14, 6])
    np.testing.assert_array_equal(spectra.total().values, expected.total().values)
    np.testing.assert_array_equal(spectra.select([1]).numbers, expected.select([1]).numbers)


@pytest.mark.parametrize("n_atoms", [[0, 1], [2, -1]])
def test_numbers_of_atoms_are_above_zero(n_atoms):
    with pytest.raises(ValueError, match="n_atoms must be positive whole numbers"):
        DOS(GRID, np.ones((2, GRID.size)), n_atoms=n_atoms)
