"""Sets of crystals with bands: one file, and parts that share nothing they should not."""

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.formula import Formula
from numpy.testing import assert_allclose, assert_array_equal

from ldosml.datasets import CrystalSet, Material, read_crystals, split_crystals
from ldosml.kresolved import CrystalBands

SYMBOLS = ("Na", "K", "Cs", "Cu", "Ag", "Al")
ANIONS = ("F", "Cl", "Br", "I")


def material(first, second, prototype, gap):
    structure = {"rocksalt": "rocksalt", "zincblende": "zincblende", "cscl": "cesiumchloride"}[prototype]
    atoms = bulk(first + second, structure, a=5.0)
    rng = np.random.default_rng(len(first + second + prototype))
    facts = (0.5, 12.0, 8.0, gap)
    mesh = CrystalBands(rng.random((4, 3)), rng.normal(size=(4, 5)), np.full(4, 0.25), *facts)
    path = CrystalBands(rng.random((6, 3)), rng.normal(size=(6, 7)), None, *facts)
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
        read = read_crystals(crystals.write(tmp_path / "set.npz"))
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
        crystals[:2].write(tmp_path / "set.npz")
        with pytest.raises(FileExistsError, match="overwrite"):
            crystals.write(tmp_path / "set.npz")
        assert len(read_crystals(tmp_path / "set.npz")) == 2
        crystals.write(tmp_path / "set.npz", overwrite=True)
        assert len(read_crystals(tmp_path / "set.npz")) == len(crystals)

    def test_damage_is_told(self, crystals, tmp_path):
        path = crystals.write(tmp_path / "set.npz")
        whole = path.read_bytes()
        for broken in (whole[: len(whole) // 2], b"", b"no archive", whole[:2000] + bytes(200) + whole[2200:]):
            path.write_bytes(broken)
            with pytest.raises(ValueError, match="cannot be read as ldosml crystals"):
                read_crystals(path)
        with pytest.raises(FileNotFoundError, match="typed right"):
            read_crystals(tmp_path / "none.npz")

    def test_missing_numbers_are_told(self, crystals, tmp_path):
        path = crystals.write(tmp_path / "set.npz")
        with np.load(path) as file:
            arrays = dict(file)
        for name, change in (
            ("mesh_kpoints", lambda x: x[:-3]),
            ("header", lambda x: np.frombuffer(json.dumps({"format": "x", "format_version": 1}).encode(), np.uint8)),
            ("path_eigenvalues", lambda x: x * np.nan),
        ):
            np.savez(path, **arrays | {name: change(arrays[name])})
            with pytest.raises(ValueError, match="cannot be read as ldosml crystals"):
                read_crystals(path)

    def test_an_empty_set_is_one(self, tmp_path):
        assert len(read_crystals(CrystalSet(()).write(tmp_path / "none.npz"))) == 0


class TestSet:
    def test_selection(self, crystals):
        assert crystals["cscl-AgI"].formula == "AgI"
        assert crystals[[3, 1]].names == [crystals.names[3], crystals.names[1]]
        assert crystals[crystals.gaps == 0].elements == ["Al", "Br", "Cl", "Cu", "F", "I"]
        assert crystals[-1] is crystals.materials[-1]
        with pytest.raises(KeyError, match="no material 'gold'"):
            crystals["gold"]

    def test_a_name_comes_once(self, crystals):
        with pytest.raises(ValueError, match="come twice"):
            CrystalSet((crystals[0], crystals[0]))

    def test_bands_are_those_of_mesh_and_path(self, crystals):
        bands = crystals[0].bands
        assert bands.eigenvalues.shape == (10, 7)
        assert np.isinf(bands.eigenvalues[:4, 5:]).all()
        assert bands.weights is None


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

    def test_by_prototype(self, crystals):
        train, validation, test = split_crystals(crystals, "prototype", ["cscl"])
        assert {m.prototype for m in test} == {"cscl"}
        assert "cscl" not in {m.prototype for part in (train, validation) for m in part}
        assert not self.formulas(train) & self.formulas(validation)

    def test_by_element(self, crystals):
        train, validation, test = split_crystals(crystals, "element", ["Ag", "F"])
        assert all({"Ag", "F"} & set(m.atoms.symbols) for m in test)
        assert not {"Ag", "F"} & {*train.elements, *validation.elements}

    @pytest.mark.parametrize(
        ("by", "held_out", "message"),
        [
            ("composition", ["F"], "held_out names"),
            ("element", [], "held_out names"),
            ("element", ["Xe"], "Xe are not there"),
            ("prototype", ["cscl", "rocksalt", "zincblende"], "not all"),
            ("species", ["F"], "by must be one of"),
        ],
    )
    def test_bad_input(self, crystals, by, held_out, message):
        with pytest.raises(ValueError, match=message):
            split_crystals(crystals, by, held_out)
