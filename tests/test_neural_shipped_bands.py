"""The learned tight binding that ships: what is known of real crystals, and how fast."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene
from neural_cases import torch  # noqa: F401  skips where torch is missing

from ldosml._validation import Caution
from ldosml.datasets import crystal_parts
from ldosml.kresolved.brillouin import reciprocal_lattice
from ldosml.neural import band_structure, load_crystal_model, local_dos, standardized, unfolded_bands


@pytest.fixture(scope="module")
def model():
    return load_crystal_model()


@pytest.fixture(scope="module")
def structure(model):
    def predict(atoms, **options):
        return band_structure(model, atoms, **({"n_path": 60, "spread": False} | options))

    return predict


def along(kpoint):
    """Sorted absolute Cartesian components of a k-point of an fcc crystal, in units of the distance from Gamma to X."""
    cell = bulk("Si").cell.array
    return np.sort(np.abs(kpoint @ reciprocal_lattice(cell))) / (2 * np.pi / 5.43)


def test_it_was_trained_on_the_training_part(model):
    training, _, test = crystal_parts(model)
    assert model.training_["names"] == training.names
    assert {z for m in test for z in m.atoms.numbers} <= set(model.elements_)


def test_the_conduction_edge_of_silicon_lies_between_gamma_and_x(structure):
    found = structure(bulk("Si"))
    assert 0.3 < found.gap < 1.0  # PBE 0.6
    assert np.allclose(found.valence.kpoint, 0, atol=1e-3)
    x, y, z = along(found.conduction.kpoint)
    assert (x, y) == pytest.approx((0, 0), abs=1e-2)
    assert 0.6 < z < 0.95  # PBE 0.85
    longitudinal, *transverse = np.sort(found.conduction.masses[0])[::-1]
    assert longitudinal > 1.5 * max(transverse)
    assert found.direct_gap > 2


@pytest.mark.parametrize(("name", "a"), [("GaAs", 5.79), ("InP", 5.97)])
def test_compounds_whose_gap_is_direct(structure, name, a):
    """GaAs has a PBE gap of 0.06 eV at this lattice constant, so it may close, but then at Gamma."""
    found = structure(bulk(name, "zincblende", a=a))
    n = found.n_filled
    bands = np.concatenate([found.energies, found.mesh.energies.reshape(-1, found.energies.shape[1])])
    kpoints = np.concatenate([found.path.kpoints, found.mesh.kpoints])
    assert np.allclose(kpoints[bands[:, n].argmin()], 0, atol=1e-6)
    assert np.allclose(kpoints[bands[:, n - 1].argmax()], 0, atol=1e-6)


def test_copper_has_necks_at_l_and_nothing_else(structure):
    found = structure(bulk("Cu"), mesh=21)
    (sheet,) = found.sheets
    assert sheet.band == 6
    assert sheet.electrons == pytest.approx(1, abs=0.01)
    cell = found.crystal.cell
    (surface,) = found.surfaces()
    special = {
        name: np.array(k) @ reciprocal_lattice(cell) for name, k in (("L", (0.5, 0.5, 0.5)), ("X", (0.5, 0, 0.5)))
    }
    nearest = {name: np.linalg.norm(surface.vertices - k, axis=1).min() for name, k in special.items()}
    assert nearest["L"] < 0.45  # the necks of PBE have a radius of about 0.25 / angstrom
    assert nearest["X"] > 0.2


def test_aluminium_is_nearly_free(structure):
    """The volume that both sheets enclose is exact; the area of the large one is nearly that of the free sphere."""
    found = structure(bulk("Al"), mesh=21)
    assert sum(sheet.electrons for sheet in found.sheets) == pytest.approx(1, abs=0.01)  # the first band is full
    kpoints, cell = found.mesh.kpoints, found.crystal.cell
    reciprocal = reciprocal_lattice(cell)
    shells = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    free = np.sort(np.linalg.norm((kpoints[:, None] + shells) @ reciprocal, axis=2), axis=1)[:, :4]
    level = (3 * np.pi**2 * 3 / abs(np.linalg.det(cell))) ** (1 / 3)
    areas = []
    for bands in (found.mesh.energies.reshape(len(kpoints), -1)[:, :4], free - level):
        from ldosml.kresolved import band_surfaces

        areas.append(band_surfaces(bands, kpoints, cell)[0].area)
    assert areas[0] == pytest.approx(areas[1], rel=0.1)


def test_sodium_is_one_sphere(structure):
    found = structure(bulk("Na", a=4.2), mesh=16)
    (sheet,) = found.sheets
    (surface,) = found.surfaces()
    lengths = np.linalg.norm(surface.vertices, axis=1)
    assert sheet.electrons == pytest.approx(1, abs=0.01)
    assert lengths.max() < 1.1 * lengths.min()


def test_the_valence_edge_of_magnesium_oxide_is_at_gamma(structure):
    """In no part of the set. PBE: 4.4 eV, direct at Gamma."""
    found = structure(bulk("MgO", "rocksalt", a=4.25))
    assert not found.is_metal
    assert np.allclose(found.valence.kpoint, 0, atol=1e-3)
    assert np.allclose(found.conduction.kpoint, 0, atol=1e-3)


def test_graphene_touches_at_k(structure):
    """A layer, with vacuum."""
    sheet = graphene(a=2.46, vacuum=5.0)
    sheet.pbc = True
    with pytest.warns(UserWarning, match="a layer or slab with 8.48 angstrom of empty space"):
        found = structure(sheet, mesh=12)
    assert found.mesh.energies.shape[:3] == (12, 12, 1)
    n = found.n_filled
    bands = np.concatenate([found.energies, found.mesh.energies.reshape(-1, found.energies.shape[1])])
    kpoints = np.concatenate([found.path.kpoints, found.mesh.kpoints])
    distances = bands[:, n] - bands[:, n - 1]
    at = kpoints[distances.argmin()]
    assert distances.min() < 0.05
    assert np.allclose(np.sort(np.abs(at - np.rint(at)))[-2:], 1 / 3, atol=1e-3)


def test_the_dos_is_smooth_and_counts_every_electron(structure):
    found = structure(bulk("Si"))
    dos = found.dos
    values, energies = np.asarray(dos.values)[0], np.asarray(dos.energies)
    assert values[energies < 0].sum() * dos.grid.step == pytest.approx(8, abs=1e-6)
    near = (energies > -6) & (energies < 0)
    assert values[near].max() < 6  # no spikes


def test_crystals_that_were_not_trained_on(model):
    """A quarter of the test part; the benchmarks have all of it."""
    some = crystal_parts(model)[2][::4]
    found = model.predict(some.crystals, [m.path.kpoints for m in some])
    gaps = np.array([bands.gap for bands in found])
    assert np.mean((gaps > 1e-3) == (some.gaps > 1e-3)) >= 0.85
    assert np.abs(gaps - some.gaps).mean() < 0.3


def test_standardized_cells_are_what_it_sees(model):
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    first = model.tight_binding(standardized(atoms).atoms()).eigenvalues([[0.1, 0.2, 0.3]])
    assert first.shape == (1, 26)


def at_fermi_level(found):
    return float(np.interp(0.0, found.dos.energies, np.asarray(found.dos.per_atom())[0]))


@pytest.mark.filterwarnings("ignore:Trust these bands less:UserWarning")
@pytest.mark.parametrize(
    "atoms",
    [bulk("Cu", cubic=True), bulk("Ti"), bulk("Si", cubic=True), bulk("NaCl", "rocksalt", a=5.64) * (2, 1, 1)],
    ids=["Cu", "Ti", "Si", "NaCl"],
)
def test_a_cell_that_is_slightly_off_has_the_electronic_structure_of_the_exact_one(structure, atoms):
    off = atoms.copy()
    off.positions += np.random.default_rng(0).uniform(-0.001, 0.001, off.positions.shape)
    off.set_cell(off.cell.array.round(3), scale_atoms=True)
    expected = structure(atoms)
    with pytest.warns(Caution, match=r"Within 0\.01 angstrom, the crystal has"):
        found = structure(off)
    assert found.path.ticks[1] == expected.path.ticks[1]
    assert found.energies == pytest.approx(expected.energies, abs=0.01)
    assert found.gap == pytest.approx(expected.gap, abs=0.01)
    assert at_fermi_level(found) == pytest.approx(at_fermi_level(expected), rel=0.01)
    assert structure(off, symprec=1e-5, mesh=2).path.ticks[1] != expected.path.ticks[1] or len(atoms) == 2


@pytest.mark.filterwarnings(
    "ignore:Trust these bands less:UserWarning", "ignore:Trust this prediction less:UserWarning"
)
class TestVacuum:
    SLAB = fcc111("Al", (1, 1, 3), vacuum=7.0, periodic=True)

    def test_bands_are_flat_across_it(self, model):
        """So the mesh with one point across has the DOS of any other."""
        crystal = standardized(self.SLAB)
        bound = model.tight_binding(crystal.atoms())
        there = [bound.eigenvalues([[0.1, 0.2, k]]) for k in (0.0, 0.3, 0.5)]
        assert np.ptp(there, axis=0).max() < 1e-6

    def test_the_cell_across_it_does_not_matter(self, structure):
        cell = self.SLAB.cell.array.copy()
        cell[2] += (cell[0] + cell[1]) / 3
        tilted = self.SLAB.copy()
        tilted.set_cell(cell)
        found, expected = structure(tilted), structure(self.SLAB)
        assert found.energies == pytest.approx(expected.energies, abs=1e-6)
        assert found.mesh.energies.shape == expected.mesh.energies.shape
        assert found.mesh.energies.shape[:3] == (8, 8, 1)

    def test_a_wider_one_changes_nothing(self, structure):
        """Neither the bands nor the number of k-points along the layer."""
        wide = fcc111("Al", (1, 1, 3), vacuum=25.0, periodic=True)
        found, expected = structure(wide), structure(self.SLAB)
        assert found.mesh.energies == pytest.approx(expected.mesh.energies, abs=1e-3)

    def test_its_surfaces_cross_the_zone(self, structure):
        found = structure(self.SLAB, mesh=12)
        surfaces = found.surfaces()
        assert len(surfaces) == len(found.sheets)
        height = np.linalg.norm(reciprocal_lattice(found.crystal.cell)[2])
        assert max(np.ptp(one.vertices[:, 2]) for one in surfaces) == pytest.approx(height, rel=0.01)

    @pytest.mark.parametrize(
        ("atoms", "words"),
        [
            (SLAB, "a layer or slab with 11.6 angstrom"),
            (Atoms("Si2", [[0, 0, 0], [0, 1, 2.3]], cell=[12, 13, 4.6], pbc=True), "a wire with 9.78 angstrom"),
            (Atoms("CO", [[0, 0, 0], [0, 0, 1.13]], cell=[9, 9, 9], pbc=True), "a molecule or cluster with"),
        ],
        ids=["slab", "wire", "molecule"],
    )
    @pytest.mark.filterwarnings("ignore:This crystal is unlike:UserWarning")
    def test_its_shape_is_told(self, structure, model, atoms, words):
        with pytest.warns(UserWarning, match=f"the structure is {words}.*few layers and slabs, or none"):
            structure(atoms, mesh=2)
        with (
            pytest.warns(Caution, match=f"Trust this DOS less: the structure is {words}"),
            pytest.warns(Caution, match="smeared"),
        ):
            local_dos(model, atoms, width=1.0, radius=3.0)


def test_a_rounded_primitive_cell_has_the_path_of_the_exact_one(model):
    exact = bulk("Ti")
    rounded = exact.copy()
    rounded.set_cell(exact.cell.array.round(2), scale_atoms=True)
    paths = [unfolded_bands(model, one * (2, 1, 1), one, n_path=30).path for one in (exact, rounded)]
    assert paths[0].ticks[1] == paths[1].ticks[1]
    assert paths[1].kpoints == pytest.approx(paths[0].kpoints, abs=1e-6)
