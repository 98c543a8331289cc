"""Spectra in files: what each format gives back, to other programs too, and what is refused."""

import errno
import json
import os

import ase.io
import numpy as np
import pytest
from ase import Atoms
from numpy.testing import assert_allclose, assert_array_equal

from ldosml import DOS, LDOS, EnergyGrid, LDOSDataset
from ldosml.datasets import read_spectra
from ldosml.properties import integrated_dos

PRECISION = {".npz": 0.0, ".h5": 1e-7, ".xyz": 1e-8}
ENDINGS = list(PRECISION)
RNG = np.random.default_rng(8)
STRUCTURES = [
    Atoms("Si", cell=[[0, 2.7, 2.7], [2.7, 0, 2.9], [2.5, 2.7, 0]], pbc=True),
    Atoms("SiC2", positions=RNG.normal(size=(3, 3)), cell=[4, 5, 6], pbc=[True, False, True]),
]
STRUCTURES[1].info["name"] = 'a "b"'
STRUCTURES[1].arrays["forces"] = np.ones((3, 3))
ELECTRONS = [4.0, 12.0]


def spectra(n_energies=21, zero="fermi", **options):
    grid = EnergyGrid(-1.0, 0.1, n_energies, zero)
    options = {"smearing_width": 0.1, "numbers": np.array([14, 14, 6, 6])} | options
    return LDOS(grid, RNG.random((4, n_energies)), structure_index=[0, 1, 1, 1], **options)


def same(found, expected, tolerance):
    assert type(found) is type(expected)
    assert found.grid.matches(expected.grid)
    assert found.grid.zero == expected.grid.zero
    assert found.smearing_width == expected.smearing_width
    assert_array_equal(found.n_atoms, expected.n_atoms)
    assert_allclose(found.values, expected.values, rtol=0, atol=tolerance)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("n_energies", [2, 9, 21])  # ASE makes a matrix of nine numbers
@pytest.mark.parametrize("options", [{}, {"zero": "vacuum", "smearing_width": None}, {"smearing_width": 0.0}])
def test_ldos_comes_back(tmp_path, ending, n_energies, options):
    ldos = spectra(n_energies, **options)
    path = ldos.save(str(tmp_path / f"a{ending}"), structures=STRUCTURES)
    assert path == tmp_path / f"a{ending}"
    back = LDOS.load(path)
    same(back, ldos, PRECISION[ending])
    assert_array_equal(back.numbers, ldos.numbers)
    same(DOS.load(path), ldos.total(), 4 * PRECISION[ending])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("n_energies", [9, 21])
def test_dos_comes_back(tmp_path, ending, n_energies):
    dos = spectra(n_energies).total()
    back = DOS.load(dos.save(tmp_path / f"a{ending}", structures=STRUCTURES))
    same(back, dos, 1e-6 if ending == ".h5" else 1e-15)
    with pytest.raises(ValueError, match=r"a\..* holds no LDOS with its numbers of atoms. Load it with DOS.load"):
        LDOS.load(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("electrons", [ELECTRONS, [4.0, np.nan]])
def test_electrons_come_back(tmp_path, ending, electrons):
    found = read_spectra(spectra().save(tmp_path / f"a{ending}", structures=STRUCTURES, n_electrons=electrons))
    assert_array_equal(found.n_electrons, electrons)
    assert_array_equal(found.numbers, [14, 14, 6, 6])


def test_a_single_structure(tmp_path):
    ldos = spectra().select([1])
    for ending in ENDINGS:
        same(LDOS.load(ldos.save(tmp_path / f"a{ending}", structures=STRUCTURES[1])), ldos, PRECISION[ending])


def test_arrays_alone(tmp_path):
    """As NumPy reads them; what is not known is not there."""
    ldos = spectra(numbers=None)
    with np.load(ldos.save(tmp_path / "a.npz")) as file:
        assert set(file) == {"energies", "zero", "spin", "smearing_width", "ldos", "dos", "n_atoms"}
        assert_allclose(file["energies"], np.linspace(-1, 1, 21), atol=1e-12)
        assert str(file["zero"]) == "fermi"
        assert file["smearing_width"] == 0.1
        assert_array_equal(file["ldos"], ldos.values)
        assert_array_equal(file["dos"], ldos.total().values)
        assert_array_equal(file["n_atoms"], [1, 3])
    with np.load(ldos.save(tmp_path / "b.npz", structures=STRUCTURES, n_electrons=ELECTRONS)) as file:
        assert_array_equal(file["numbers"], [14, 14, 6, 6])
        assert_array_equal(file["n_electrons"], ELECTRONS)
    with np.load(DOS(ldos.grid, ldos.values).save(tmp_path / "c.npz", provenance={"code": "x"})) as file:
        assert set(file) == {"energies", "zero", "smearing_width", "spin", "dos", "provenance"}
        assert np.isnan(file["smearing_width"])
        assert json.loads(str(file["provenance"])) == {"code": "x"}
    assert LDOS.load(tmp_path / "a.npz").numbers is None
    assert DOS.load(tmp_path / "c.npz").n_atoms is None


@pytest.mark.parametrize("zero", ["fermi", "code"])
def test_h5_is_a_dataset(tmp_path, zero):
    ldos = spectra(zero=zero)
    path = ldos.save(tmp_path / "a.h5", structures=STRUCTURES, n_electrons=ELECTRONS, provenance={"code": "x"})
    data = LDOSDataset.load(path)
    same(data.ldos, ldos, 1e-7)
    assert data.stored_dos is None
    assert_array_equal(data.n_electrons, ELECTRONS)
    assert_array_equal(data.fermi_energy, [0.0, 0.0] if zero == "fermi" else [np.nan, np.nan])
    assert data.provenance == {"code": "x"}
    expected = LDOSDataset.from_arrays(STRUCTURES, ldos.energies, ldos=ldos.values, zero=zero)
    assert (data.names, data.kinds, data.groups) == (expected.names, expected.kinds, expected.groups)
    for found, atoms in zip(data.structures, STRUCTURES, strict=True):
        assert_array_equal(found.positions, atoms.positions)
        assert_array_equal(found.cell, atoms.cell)
        assert_array_equal(found.pbc, atoms.pbc)
    assert LDOSDataset.load(ldos.total().save(tmp_path / "b.h5", structures=STRUCTURES)).ldos is None


def test_a_dataset_is_cut_where_it_is_not_complete(make_dataset, tmp_path):
    data = make_dataset(energy_max=1.0)
    ldos = LDOS.load(data.save(tmp_path / "a.h5"))
    assert ldos.grid.stop == pytest.approx(1.0)
    same(ldos, data.ldos.cut(high=1.0), 1e-6)


def test_ase_reads_xyz(tmp_path):
    ldos = spectra()
    path = ldos.save(tmp_path / "a.xyz", structures=STRUCTURES, n_electrons=ELECTRONS)
    frames = ase.io.read(path, index=":")
    for number, (frame, atoms) in enumerate(zip(frames, STRUCTURES, strict=True)):
        assert_allclose(frame.positions, atoms.positions, atol=1e-8)
        assert_allclose(frame.cell, atoms.cell)
        assert_array_equal(frame.pbc, atoms.pbc)
        assert_allclose(frame.arrays["ldos"], ldos.of_structure(number), atol=1e-8)
        assert_array_equal(frame.info["dos"], ldos.total().values[number])
        assert_array_equal(frame.info["energies"], ldos.energies)
        facts = {name: frame.info[name] for name in ("zero", "smearing_width", "n_electrons")}
        assert facts == {"zero": "fermi", "smearing_width": 0.1, "n_electrons": ELECTRONS[number]}
        assert set(frame.arrays) == {"numbers", "positions", "ldos"}
        assert frame.calc is None
    assert frames[1].info["name"] == 'a "b"'


def test_frames_of_a_dataset_are_read(make_dataset, tmp_path):
    data = make_dataset()
    ase.io.write(tmp_path / "a.xyz", data.to_ase(), format="extxyz")
    same(LDOS.load(tmp_path / "a.xyz"), data.ldos, 1e-8)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.hdf5", ".npz", "a.NPZ", "a.extxyz"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"saved to \.npz .* \.h5 .* \.xyz .*got '"):
        spectra().save(tmp_path / name, structures=STRUCTURES)
    with pytest.raises(ValueError, match=r"loaded from \.npz, \.h5 or \.xyz; got '"):
        LDOS.load(tmp_path / name)
    assert not list(tmp_path.iterdir())


MOVED = STRUCTURES[1].copy()
MOVED.positions[2, 1] = np.nan
GHOST = STRUCTURES[1].copy()
GHOST.numbers[0] = 0


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"structures": STRUCTURES[:1]}, "There are 1 structures, but spectra of 2"),
        ({"structures": STRUCTURES[1]}, "There are 1 structures, but spectra of 2"),
        ({"structures": STRUCTURES[::-1]}, "Structure 0 has 3 atoms, but the spectra are of 1"),
        ({"structures": [Atoms("C"), STRUCTURES[1]]}, "Atom 0 .* atomic number 6, but its spectrum is of 14"),
        ({"structures": [STRUCTURES[0], MOVED]}, "(positions|cell) of structure 1 must be finite"),
        ({"n_electrons": [4.0]}, r"n_electrons must have shape \(2\)"),
        ({"n_electrons": [4.0, -1.0]}, "n_electrons must be finite and not negative"),
        ({"provenance": {"a": np.nan}}, "provenance must hold only what JSON can"),
        ({"provenance": {"a": {1}}}, "provenance must hold only what JSON can"),
    ],
)
def test_bad_input_is_refused(tmp_path, ending, changes, message):
    with pytest.raises(ValueError, match=message):
        spectra().save(tmp_path / f"a{ending}", **{"structures": STRUCTURES} | changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".h5", ".xyz"])
def test_structures_are_needed(tmp_path, ending):
    for each in (spectra(), spectra().total()):
        with pytest.raises(ValueError, match=rf"a{ending} needs the structures: pass structures=.*or save arrays"):
            each.save(tmp_path / f"a{ending}")
    with pytest.raises(ValueError, match=r"must lie in 1 to 118\. Leave ghost atoms"):
        spectra(numbers=None).save(tmp_path / f"a{ending}", structures=[STRUCTURES[0], GHOST])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_existing_file_is_kept_unless_asked(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"theirs")
    with pytest.raises(FileExistsError, match="exists already"):
        spectra().save(path, structures=STRUCTURES)
    assert path.read_bytes() == b"theirs"
    ldos = spectra()
    same(LDOS.load(ldos.save(path, structures=STRUCTURES, overwrite=True)), ldos, PRECISION[ending])


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, ending, existing):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / f"a{ending}"
    if existing:
        path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device; it was not written"):
        spectra().save(path, structures=STRUCTURES, overwrite=True)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"] * existing


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_that_are_not_there_or_damaged(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    with pytest.raises(FileNotFoundError, match=f"a{ending}"):
        LDOS.load(path)
    content = spectra().save(path, structures=STRUCTURES).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"a{ending}"):
        LDOS.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energies": None}, r"must hold 'energies'"),
        ({"ldos": None, "dos": None}, r"must hold 'ldos' or 'dos'"),
        ({"n_atoms": None, "dos": None}, "holds 'ldos' without 'n_atoms'"),
        ({"n_atoms": [1.5, 2.5]}, "'n_atoms' in .* must be whole numbers"),
        ({"n_atoms": [0, 4]}, "'n_atoms' in .* must be whole numbers"),
        ({"n_atoms": [2, 3]}, r"'ldos' in .*must have shape \(5, 21\)"),
        ({"dos": np.ones((3, 21))}, r"'dos' in .*must have shape \(2, 21\)"),
        ({"zero": "sea level"}, "'zero' in .* must be"),
        ({"smearing_width": -0.1}, "'smearing_width' in .* must be one number, not negative"),
        ({"smearing_width": [0.1, 0.2]}, "'smearing_width' in .* must be one number"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, changes, message):
    with np.load(spectra().save(tmp_path / "a.npz")) as file:
        content = {name: file[name] for name in file} | changes
    np.savez(tmp_path / "b.npz", **{name: values for name, values in content.items() if values is not None})
    with pytest.raises(ValueError, match=message):
        DOS.load(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energies": None}, "Frame 1 of .*a.xyz must hold 'energies' in its comment line; it has 'zero'"),
        ({"dos": None}, "Frame 1 of .*a.xyz must hold 'dos'"),
        ({"dos": np.ones(20)}, r"'dos' of frame 1 in .*a.xyz must have shape \(21\)"),
        ({"energies": "high"}, "'energies' of frame 1 in .*a.xyz cannot be read as numbers"),
        ({"energies": np.arange(21.0)}, "frames of .* must have the same energies, zero and smearing_width"),
        ({"zero": "vacuum"}, "frames of .* must have the same energies, zero and smearing_width"),
        ({"smearing_width": 0.3}, "frames of .* must have the same energies, zero and smearing_width"),
    ],
)
def test_frames_that_do_not_fit(tmp_path, changes, message):
    frames = ase.io.read(spectra().save(tmp_path / "a.xyz", structures=STRUCTURES), index=":")
    info = frames[1].info | changes
    frames[1].info = {name: value for name, value in info.items() if value is not None and name != "name"}
    ase.io.write(tmp_path / "a.xyz", frames, format="extxyz")
    with pytest.raises(ValueError, match=message):
        LDOS.load(tmp_path / "a.xyz")


class TestIntegratedDOS:
    """A printed total with its integrated column, and a level narrower than the step."""

    energies = np.arange(-20.0, 5.01, 0.1).round(4)

    def columns(self, low=-20.0):
        e = self.energies
        whole = 2.0 * (e >= -15.003) + 6.0 * np.clip((e + 4) / 3, 0, 1) + 4.0 * np.clip((e - 2) / 2, 0, 1)
        dos = np.gradient(whole, 0.1)
        dos[abs(e + 15) < 0.11] = [0.0, 33.0, 0.1]  # what a sample of a narrow peak happens to meet
        some = e >= low
        return e[some], dos[some], whole[some]

    def test_electrons_are_those_of_the_column(self, tmp_path):
        energies, dos, whole = self.columns()
        np.savez(tmp_path / "d.npz", energies=energies, dos=dos, integrated_dos=whole)
        found = read_spectra(tmp_path / "d.npz").dos
        counts = integrated_dos(found)[0]
        assert counts[-1] == pytest.approx(12.0, abs=1e-9)
        in_gaps = (energies > -14.8) & (energies < -4.2) | (energies > -0.8) & (energies < 1.8)
        np.testing.assert_allclose(counts[in_gaps], whole[in_gaps], atol=1e-9)
        assert abs(np.trapezoid(dos, energies) - 12.0) > 1

    def test_electrons_below_the_first_energy_count(self, tmp_path):
        energies, dos, whole = self.columns(low=-10.0)
        np.savez(tmp_path / "d.npz", energies=energies, dos=dos[None], integrated_dos=whole[None])
        found = read_spectra(tmp_path / "d.npz").dos
        assert integrated_dos(found)[0, -1] == pytest.approx(12.0, abs=1e-9)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda whole: whole[None, :-1], r"'integrated_dos' in .* must have shape"),
            (lambda whole: whole[::-1][None], "'integrated_dos' in .* must not fall"),
            (lambda whole: whole[None] * np.nan, "'integrated_dos' in .* must be finite"),
        ],
    )
    def test_a_column_that_is_none(self, tmp_path, change, message):
        energies, dos, whole = self.columns()
        np.savez(tmp_path / "d.npz", energies=energies, dos=dos, integrated_dos=change(whole))
        with pytest.raises(ValueError, match=message):
            read_spectra(tmp_path / "d.npz")


def test_a_fermi_level_beside_the_spectra(tmp_path):
    energies = np.arange(-5, 5.01, 0.1)
    for level, expected in ((1.5, [1.5, 1.5]), ([1.5, np.nan], [1.5, np.nan])):
        np.savez(tmp_path / "d.npz", energies=energies, dos=np.ones((2, 101)), fermi_energy=level)
        np.testing.assert_array_equal(read_spectra(tmp_path / "d.npz").fermi_energy, expected)
    np.savez(tmp_path / "d.npz", energies=energies, dos=np.ones((2, 101)), fermi_energy=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"'fermi_energy' in .* must have shape"):
        read_spectra(tmp_path / "d.npz")
