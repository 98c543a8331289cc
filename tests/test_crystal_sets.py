"""Sets of crystals with bands: one file, and parts that share nothing they should not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.formula import Formula
from numpy.testing import assert_allclose, assert_array_equal

from ldosml.datasets import CrystalSet, Material, load_crystals, split_crystals
from ldosml.kresolved import CrystalBands

SYMBOLS = ("Na", "K", "Cs", "Cu", "Ag", "Al")
ANIONS = ("F", "Cl", "Br", "I")


def gapped(rng, n_kpoints, n_empty, gap):
    """Eigenvalues of four filled bands, and of empty ones; both touch the gap around 0.5 eV at the first k-point.

    The last of the empty ones is at 13 eV.
    """
    filled, empty = rng.random((n_kpoints, 4)), rng.random((n_kpoints, n_empty))
    filled[0, 0] = empty[0, 0] = 0.0
    empty = np.concatenate([empty[:, : n_empty - 1], np.full((n_kpoints, 1), 13.0)], axis=1)
    return 0.5 + np.concatenate([-gap / 2 - filled, gap / 2 + empty], axis=1)


def material(first, second, prototype, gap):
    structure = {"rocksalt": "rocksalt", "zincblende": "zincblende", "cscl": "cesiumchloride"}[prototype]
    atoms = bulk(first + second, structure, a=5.0)
    rng = np.random.default_rng(len(first + second + prototype))
    facts = (0.5, 12.0, 8.0, gap)
    mesh = CrystalBands(rng.random((4, 3)), gapped(rng, 4, 2, gap), np.full(4, 0.25), *facts)
    path = CrystalBands(rng.random((6, 3)), gapped(rng, 6, 4, gap), None, *facts)
    return Material(f"{prototype}-{first}{second}", prototype, first + second, atoms, mesh, path, ((0, "G"), (5, "X")))


@pytest.fixture
def crystals():
    materials = [
        material(first, second, prototype, 0.0 if first in ("Al", "Cu") else 1.0)
        for first in SYMBOLS
        for second in ANIONS
        for prototype in ("rocksalt", "zincblende", "cscl")
    ]
    return CrystalSet(tuple(materials), {"code": "none"})


class TestFile:
    def test_it_reads_what_was_written(self, crystals, tmp_path):
        read = CrystalSet.load(crystals.save(tmp_path / "set.npz"))
        assert read.names == crystals.names
        assert read.provenance == {"code": "none"}
        assert_array_equal(read.gaps, crystals.gaps)
        for found, expected in zip(read, crystals, strict=True):
            assert found.atoms == expected.atoms
            assert (found.prototype, found.formula, found.corners) == (
                expected.prototype,
                expected.formula,
                expected.corners,
            )
            for part in ("mesh", "path"):
                there, here = getattr(found, part), getattr(expected, part)
                assert_allclose(there.eigenvalues, here.eigenvalues, rtol=1e-7)
                assert_array_equal(there.kpoints, here.kpoints)
                assert (there.fermi_energy, there.energy_max, there.n_electrons) == (0.5, 12.0, 8.0)
            assert_array_equal(found.mesh.weights, expected.mesh.weights)
            assert found.path.weights is None

    def test_it_replaces_nothing_unasked(self, crystals, tmp_path):
        crystals[:2].save(tmp_path / "set.npz")
        with pytest.raises(FileExistsError, match="overwrite"):
            crystals.save(tmp_path / "set.npz")
        assert len(CrystalSet.load(tmp_path / "set.npz")) == 2
        crystals.save(tmp_path / "set.npz", overwrite=True)
        assert len(CrystalSet.load(tmp_path / "set.npz")) == len(crystals)

    def test_damage_is_told(self, crystals, tmp_path):
        path = crystals.save(tmp_path / "set.npz")
        whole = path.read_bytes()
        for broken in (whole[: len(whole) // 2], b"", b"no archive"):
            path.write_bytes(broken)
            with pytest.raises(ValueError, match="cannot be read as ldosml crystals: it is damaged"):
                CrystalSet.load(path)
        for broken in (whole[:2000] + bytes(200) + whole[2200:], whole[:60] + bytes(9) + whole[69:]):
            path.write_bytes(broken)
            with pytest.raises(ValueError, match="cannot be read as ldosml crystals"):
                CrystalSet.load(path)
        with pytest.raises(FileNotFoundError, match="Is the path correct"):
            CrystalSet.load(tmp_path / "none.npz")

    def test_missing_numbers_are_told(self, crystals, tmp_path):
        path = crystals.save(tmp_path / "set.npz")
        with np.load(path) as file:
            arrays = dict(file)
        for name, change in (
            ("mesh_kpoints", lambda x: x[:-3]),
            ("header", lambda x: np.frombuffer(json.dumps({"format": "x", "format_version": 1}).encode(), np.uint8)),
            ("path_eigenvalues", lambda x: x * np.nan),
        ):
            np.savez(path, **arrays | {name: change(arrays[name])})
            with pytest.raises(ValueError, match="cannot be read as ldosml crystals"):
                CrystalSet.load(path)

    def test_other_arrays_are_told(self, tmp_path):
        np.savez(tmp_path / "dos.npz", energies=[0.0], dos=[[1.0]])
        with pytest.raises(ValueError, match="has no header; its arrays are energies, dos"):
            CrystalSet.load(tmp_path / "dos.npz")

    def test_a_mesh_needs_weights(self, crystals, tmp_path):
        first = crystals[0]
        with pytest.raises(
            ValueError, match=r"The mesh of rocksalt-NaF has no weights. Give the weights of its k-points"
        ):
            CrystalSet((replace(first, mesh=replace(first.mesh, weights=None)),)).save(tmp_path / "set.npz")
        assert not list(tmp_path.iterdir())

    def test_an_empty_set_is_one(self, tmp_path):
        assert len(CrystalSet.load(CrystalSet(()).save(tmp_path / "none.npz"))) == 0


class TestSet:
    def test_selection(self, crystals):
        assert crystals["cscl-AgI"].formula == "AgI"
        assert crystals[[3, 1]].names == [crystals.names[3], crystals.names[1]]
        assert crystals[["cscl-AgI", crystals.names[1]]].names == ["cscl-AgI", crystals.names[1]]
        assert [len(crystals[nothing]) for nothing in ([], slice(0), np.zeros(len(crystals), dtype=bool))] == [0, 0, 0]
        with pytest.raises(TypeError, match="Select materials by index or name"):
            crystals[[1.5]]
        assert crystals[crystals.gaps == 0].elements == ["Al", "Br", "Cl", "Cu", "F", "I"]
        assert crystals[-1] is crystals.materials[-1]
        with pytest.raises(KeyError, match="no material 'gold'"):
            crystals["gold"]

    def test_a_name_comes_once(self, crystals):
        with pytest.raises(ValueError, match="are repeated: rocksalt-NaF"):
            CrystalSet((crystals[0], crystals[0]))

    def test_summary(self, crystals):
        told = crystals[[0, 1, -1]].summary()
        assert (told["materials"], told["with_gap"]) == (3, 2)
        assert told["prototypes"] == {"cscl": 1, "rocksalt": 1, "zincblende": 1}
        assert told["elements"] == ["Al", "F", "I", "Na"]
        assert told["kpoints"] == {"mesh": 12, "path": 18}
        assert (told["smallest_cell"], told["largest_cell"]) == (2, 2)
        assert CrystalSet(()).summary()["materials"] == 0

    def test_bands_are_those_of_mesh_and_path(self, crystals):
        bands = crystals[0].bands
        assert bands.eigenvalues.shape == (10, 8)
        assert np.isinf(bands.eigenvalues[:4, 6:]).all()
        assert bands.weights is None


class TestMaterial:
    """One crystal; its valence band reaches 1 eV on the mesh and 2 eV on the path, the other begins at 3.5 and at 3."""

    @pytest.fixture
    def one(self, crystals):
        facts = (2.9, 12.0, 2.0, 1.0)
        mesh = CrystalBands([[0, 0, 0], [0.5, 0, 0]], [[0.0, 3.5, 13.0], [1.0, 4.0, 13.0]], [0.5, 0.5], *facts)
        path = CrystalBands([[0, 0, 0], [0, 0, 0.5]], [[0.0, 3.5, 13.0], [2.0, 3.0, 13.0]], None, *facts)
        return replace(crystals[0], mesh=mesh, path=path, corners=((0, "G"), (1, "X")))

    def test_the_middle_of_the_gap_is_that_of_mesh_and_path(self, one):
        centred = one.centred()
        assert (centred.mesh.fermi_energy, centred.path.fermi_energy) == (2.5, 2.5)
        assert_array_equal(centred.mesh.weights, [0.5, 0.5])
        assert (centred.gap, centred.name) == (1.0, one.name)
        metal = replace(one, path=replace(one.path, gap=0.0))
        assert metal.centred().mesh.fermi_energy == 2.9

    def test_both_are_needed_of_one_calculation(self, one):
        with pytest.raises(TypeError, match="The path of rocksalt-NaF must be CrystalBands; got NoneType"):
            replace(one, path=None)
        with pytest.raises(ValueError, match=r"they have 2.25 and 2.5 eV.*centred\(\) moves both"):
            replace(one, mesh=one.mesh.centred(), path=one.path.centred())
        with pytest.raises(ValueError, match="2 and 4"):
            replace(one, path=replace(one.path, n_electrons=4.0))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"formula": "Au2"}, "formula of rocksalt-NaF must match its atoms, FNa; got 'Au2'"),
            ({"formula": "Xyz"}, "must be one like TiAlCu2; got 'Xyz'"),
            ({"corners": ((0, "G"), (9, "X"))}, "corners of rocksalt-NaF must be pairs .* increasing indices"),
            ({"corners": ("GX",)}, "corners of rocksalt-NaF must be pairs"),
        ],
    )
    def test_what_does_not_belong_to_it(self, one, changes, message):
        with pytest.raises(ValueError, match=message):
            replace(one, **changes)

    def test_atoms_are_periodic(self, one):
        slab = one.atoms.copy()
        slab.pbc = [True, True, False]
        for atoms in (None, slab):
            with pytest.raises(TypeError, match=r"must be ase\.Atoms, periodic in three"):
                replace(one, atoms=atoms)

    def test_mesh_and_path_share_one_zero(self, one):
        moved = replace(one.path, eigenvalues=one.path.eigenvalues + 0.5)
        with pytest.raises(ValueError, match=r"must have the same energy zero: .* differ by 0.5 eV"):
            replace(one, path=moved)

    def test_electrons_are_in_the_bands(self, one):
        mesh, path = (replace(bands, fermi_energy=-50.0) for bands in (one.mesh, one.path))
        with pytest.raises(ValueError, match="hold 0 electrons, but n_electrons is 2"):
            replace(one, mesh=mesh, path=path)

    def test_numbers_of_numpy_are_written(self, one, tmp_path):
        corners = tuple((index, np.str_(name)) for index, name in zip(np.arange(2), ("G", "X"), strict=True))
        path = CrystalSet((replace(one, corners=corners),)).save(tmp_path / "one.npz")
        assert CrystalSet.load(path)[0].corners == ((0, "G"), (1, "X"))


class TestSplit:
    @staticmethod
    def formulas(part):
        return {Formula(m.formula).reduce()[0].format("hill") for m in part}

    def test_by_composition(self, crystals):
        parts = split_crystals(crystals, test_size=0.2, validation_size=0.1)
        assert sum(len(part) for part in parts) == len(crystals)
        assert [len(part) / len(crystals) for part in parts] == pytest.approx([0.7, 0.1, 0.2], abs=0.05)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert not self.formulas(parts[i]) & self.formulas(parts[j])
        again = split_crystals(crystals, test_size=0.2, validation_size=0.1)
        assert [part.names for part in again] == [part.names for part in parts]

    def test_by_given_formulas(self, crystals):
        """In whatever order and multiple they are written."""
        train, validation, test = split_crystals(crystals, held_out=["Cl2Na2", "KF"])
        assert sorted(m.formula for m in test) == ["KF"] * 3 + ["NaCl"] * 3
        assert not self.formulas(test) & (self.formulas(train) | self.formulas(validation))

    def test_by_prototype(self, crystals):
        train, validation, test = split_crystals(crystals, "prototype", ["cscl"])
        assert {m.prototype for m in test} == {"cscl"}
        assert "cscl" not in {m.prototype for part in (train, validation) for m in part}
        assert not self.formulas(train) & self.formulas(validation)

    def test_by_element(self, crystals):
        train, validation, test = split_crystals(crystals, "element", ["Ag", "F"])
        assert all({"Ag", "F"} & set(m.atoms.symbols) for m in test)
        assert not {"Ag", "F"} & {*train.elements, *validation.elements}

    def test_more_sets_leave_the_parts_of_the_first(self, crystals):
        """Formulas that have a part stay there; the others are drawn."""
        first = crystals[[m.formula not in ("NaF", "AgCl", "CuI", "KBr", "AlI") for m in crystals]]
        others = [replace(m, name=f"{m.name}-again") for m in crystals if m not in first.materials]
        copies = [replace(m, name=f"{m.name}-copy") for m in first]
        before = split_crystals(first, test_size=0.2)
        parts = split_crystals([first, CrystalSet((*others, *copies))], test_size=[0.2, 0.4])
        for part, old in zip(parts, before, strict=True):
            assert part.names[: len(old)] == old.names
            assert {m.formula for m in part if m.name.endswith("-copy")} == {m.formula for m in old}
        assert sum(len(part) for part in parts) == 2 * len(first) + len(others)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert not self.formulas(parts[i]) & self.formulas(parts[j])
        few = split_crystals([first, CrystalSet((*others[:3], *copies))], test_size=0.2)
        assert [len(part) for part in few] == [2 * len(before[0]) + 3, 2 * len(before[1]), 2 * len(before[2])]

    def test_sets_that_cannot_be_joined(self, crystals):
        with pytest.raises(ValueError, match="Names of materials must differ"):
            split_crystals([crystals, crystals])
        for size in ([0.1], [0.1] * 3):
            with pytest.raises(ValueError, match="test_size must be one number, or one for each set"):
                split_crystals([crystals, crystals[[0]]], test_size=size)

    def test_three_formulas_are_the_least(self, crystals):
        assert [len(part) for part in split_crystals(crystals[[0, 3, 6]])] == [1, 1, 1]
        for places in ([0, 3], [0, 1, 2]):
            with pytest.raises(ValueError, match="1 formula cannot be split into two parts"):
                split_crystals(crystals[places])

    def test_sizes_and_names_that_cannot_be(self, crystals):
        for sizes in ({"test_size": 0.0}, {"validation_size": float("nan")}, {"validation_size": 1.0}):
            with pytest.raises(ValueError, match="must be above 0 and below 1"):
                split_crystals(crystals, **sizes)
        with pytest.raises(TypeError, match=r"as \['NaF'\]"):
            split_crystals(crystals, held_out="NaF")

    @pytest.mark.parametrize(
        ("by", "held_out", "message"),
        [
            ("composition", ["KrF"], "Not in the set: KrF"),
            ("composition", ["no formula"], "held_out must be formulas such as TiAlCu2; got 'no formula'"),
            ("element", [], "held_out must name the elements of the test part; got none"),
            ("element", ["Xe"], "Not in the set: Xe. The set has: Ag, Al, Br"),
            ("prototype", ["cscl", "rocksalt", "zincblende"], "not all"),
            ("species", ["F"], "by must be one of"),
        ],
    )
    def test_bad_input(self, crystals, by, held_out, message):
        with pytest.raises(ValueError, match=message):
            split_crystals(crystals, by, held_out)


@pytest.mark.parametrize("name", ["crystals", "more-crystals", "further-crystals"])
def test_reserved_formulas_are_in_no_shipped_crystal(name):
    """In whatever structure; they stay for a check by others."""
    crystals = load_crystals(name)
    reserved = {Formula(name).reduce()[0].format("hill") for name in crystals.provenance["reserved"]}
    assert len(reserved) == 38
    assert {"GaP", "Mg2Si", "KO3Ta"} <= reserved
    assert not reserved & {m.atoms.symbols.formula.reduce()[0].format("hill") for m in crystals}
