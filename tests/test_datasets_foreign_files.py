"""Other programs' files to a dataset."""

import io
import warnings
import zipfile

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numpy.testing import assert_allclose, assert_array_equal

from ldosml._validation import Caution
from ldosml.datasets import LDOSDataset, import_dataset

ENERGIES = np.linspace(-2.0, 2.0, 9)
LDOS = np.arange(27.0).reshape(3, 9)


@pytest.fixture
def xyz(tmp_path):
    frames = [Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]], cell=[5, 5, 5], pbc=True), Atoms("C")]
    for kind, atoms in zip(("bulk", "atom"), frames, strict=True):
        atoms.info |= {"phase": kind, "run": f"run-{kind}"}
    ase.io.write(tmp_path / "run.xyz", frames)
    return tmp_path / "run.xyz"


@pytest.fixture
def npz(tmp_path):
    np.savez(tmp_path / "a.npz", energies=ENERGIES, ldos=LDOS, energy_max=[1.0, 1.5], other=np.ones(2))
    return tmp_path / "a.npz"


class TestSynthetic:
    @pytest.mark.filterwarnings("ignore:Up to its Fermi level")  # the numbers are made up
    def test_one_npz(self, xyz, npz):
        data = import_dataset(xyz, npz, n_electrons={"Si": 4, "C": 4}, kind_key="phase", group_key="run")
        assert data.names == ["run-0", "run-1"]
        assert data.kinds == ["bulk", "atom"]
        assert data.groups == ["run-bulk", "run-atom"]
        assert_array_equal(data.n_electrons, [8, 4])
        assert_array_equal(data.energy_max, [1.0, 1.5])
        assert_array_equal(data.ldos.of_structure(1), LDOS[2:])
        assert data.provenance == {"imported_from": ["run.xyz", "a.npz"]}

    def test_what_is_given_wins(self, xyz, npz):
        data = import_dataset(xyz, npz, energy_max=1.2, zero="code", fermi_energy=[0.1, 0.2], names=["a", "b"])
        assert_array_equal(data.energy_max, 1.2)
        assert_array_equal(data.fermi_energy, [0.1, 0.2])
        assert data.grid.zero == "code"
        assert data.names == ["a", "b"]

    @pytest.mark.parametrize("suffix", [".npy", ".txt", ".csv", ".dat"])
    def test_one_file_for_each_array(self, xyz, npz, tmp_path, suffix):
        paths = {}
        for name, values in {"energies": ENERGIES, "ldos": LDOS, "energy_max": np.array([1.0, 1.5])}.items():
            paths[name] = tmp_path / f"{name}{suffix}"
            if suffix == ".npy":
                np.save(paths[name], values)
            else:
                np.savetxt(paths[name], values, delimiter="," if suffix == ".csv" else " ", header="a comment")
        data = import_dataset(xyz, paths)
        assert_array_equal(data.ldos.values, LDOS)
        assert_array_equal(data.energy_max, [1.0, 1.5])

    def test_own_export_comes_back(self, make_dataset, tmp_path):
        data = make_dataset()
        ase.io.write(tmp_path / "own.xyz", [atoms.copy() for atoms in data.to_ase()], columns=["symbols", "positions"])
        np.savez(tmp_path / "own.npz", energies=data.grid.energies, ldos=data.ldos.values)
        back = import_dataset(tmp_path / "own.xyz", tmp_path / "own.npz", group_key="group")
        assert back.names == data.names
        assert back.groups == data.groups

    def test_files_that_are_not_there(self, xyz, npz, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no structure file .*none.xyz"):
            import_dataset(tmp_path / "none.xyz", npz)
        with pytest.raises(FileNotFoundError, match=r"none.npz"):
            import_dataset(xyz, tmp_path / "none.npz")
        for name in ("none.npy", "none.txt"):
            with pytest.raises(FileNotFoundError, match=name):
                import_dataset(xyz, {"energies": tmp_path / name})

    def test_structures_that_cannot_be_read(self, npz, tmp_path):
        for name, content in (("a.xyz", "2\n\nSi 0 0 0\n"), ("b.xyz", "hello"), ("c.xyz", ""), ("d.bin", "\x01\x02")):
            (tmp_path / name).write_text(content)
            with pytest.raises(ValueError, match=name):
                import_dataset(tmp_path / name, npz)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"ldos": LDOS}, "must hold 'energies'.*got 'ldos'"),
            ({"energies": ENERGIES}, "must hold 'ldos' or 'dos'"),
            ({"energies": ENERGIES, "ldos": LDOS[:2]}, "ldos has 2 rows, but there are 3 atoms in 2 structures"),
            ({"energies": ENERGIES, "ldos": LDOS * np.nan}, "ldos must be finite"),
            ({"energies": ENERGIES**3, "ldos": LDOS}, "equal steps"),
            ({"energies": np.ones((2, 9)), "dos": LDOS[:2]}, r"one axis for all structures.*\(2, 9\)"),
            ({"energies": np.array(["a", "b"]), "dos": LDOS[:2]}, "'energies' in .*bad.npz cannot be read as numbers"),
            ({"energies": np.array([1, None]), "dos": LDOS[:2]}, "'energies' in .*bad.npz cannot be read as numbers"),
        ],
    )
    def test_arrays_that_do_not_fit(self, xyz, tmp_path, arrays, message):
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(ValueError, match=message):
            import_dataset(xyz, tmp_path / "bad.npz")

    def test_damaged_arrays(self, xyz, npz, tmp_path):
        npz.write_bytes(npz.read_bytes()[:300])
        with pytest.raises(ValueError, match=r"a.npz is truncated or not a NumPy file"):
            import_dataset(xyz, npz)
        (tmp_path / "e.txt").write_text("energy dos\n1 2\n")
        with pytest.raises(ValueError, match=r"e.txt must hold numbers only"):
            import_dataset(xyz, {"energies": tmp_path / "e.txt"})
        (tmp_path / "e.txt").write_text("")
        with pytest.raises(ValueError, match=r"e.txt is empty"):
            import_dataset(xyz, {"energies": tmp_path / "e.txt"})

    @pytest.mark.parametrize("dtype", ["complex128", "datetime64[s]", "bool"])
    def test_arrays_that_are_not_real_numbers(self, xyz, tmp_path, dtype):
        np.savez(tmp_path / "bad.npz", energies=ENERGIES, ldos=LDOS.astype(int).astype(dtype))
        with pytest.raises(ValueError, match=rf"'ldos' in .*bad.npz cannot be read as numbers.*{dtype[:8]}"):
            import_dataset(xyz, tmp_path / "bad.npz")

    def test_energies_of_the_code_are_not_taken_for_the_fermi_level(self, xyz, npz):
        with pytest.raises(ValueError, match=r"every fermi_energy is 0; got 5.1 eV for structure 'run-1'.*'code'"):
            import_dataset(xyz, npz, fermi_energy=[0.0, 5.1])

    def test_more_than_memory_holds(self, xyz, tmp_path):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})
        (tmp_path / "big.npy").write_bytes(header.getvalue())
        with zipfile.ZipFile(tmp_path / "big.npz", "w") as file:
            file.writestr("energies.npy", header.getvalue())
        with pytest.raises(ValueError, match=r"big.npz .*energies.npy declares an array .* GB, but has"):
            import_dataset(xyz, tmp_path / "big.npz")
        with pytest.raises(ValueError, match=r"big.npy is truncated or not a NumPy file"):
            import_dataset(xyz, {"energies": tmp_path / "big.npy"})

    def test_damaged_compressed_arrays(self, xyz, tmp_path):
        np.savez_compressed(tmp_path / "a.npz", energies=ENERGIES, ldos=LDOS)
        content = bytearray((tmp_path / "a.npz").read_bytes())
        content[70:90] = bytes([255] * 20)
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"a.npz is truncated or not a NumPy file .*decompressing"):
            import_dataset(xyz, tmp_path / "a.npz")

    @pytest.mark.parametrize("error", [RuntimeError("generator raised StopIteration"), StopIteration(), TypeError("a")])
    def test_readers_that_fail_in_their_own_way(self, xyz, npz, monkeypatch, error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr(ase.io, "read", fail)
        with pytest.raises(ValueError, match=rf"run.xyz cannot be read as structures \({type(error).__name__}"):
            import_dataset(xyz, npz)

    def test_wrong_kinds_of_files(self, xyz, tmp_path):
        with pytest.raises(ValueError, match=r"a.txt must be an .npz file"):
            import_dataset(xyz, tmp_path / "a.txt")
        with pytest.raises(ValueError, match=r"a.json must end in .npy"):
            import_dataset(xyz, {"energies": tmp_path / "a.json"})
        with pytest.raises(ValueError, match=r"arrays must be among energies.*got pdos"):
            import_dataset(xyz, {"pdos": tmp_path / "a.npy"})

    def test_key_that_is_not_there(self, xyz, npz):
        with pytest.raises(ValueError, match="Frame 0 has no entry 'mode'; it has 'phase', 'run'"):
            import_dataset(xyz, npz, kind_key="mode")

    @pytest.mark.parametrize(("given", "told"), [(7.6, True), (7.9, True), (7.99, False), (8.0, False), (8.1, True)])
    def test_few_electrons_too_many_in_a_gap_are_told(self, tmp_path, given, told):
        energies = np.arange(-100, 51) * 0.05
        band = np.abs(energies + 3.0) < 1.0
        np.savez(tmp_path / "x.npz", energies=energies, ldos=np.tile(band * 4.0 / band.sum() / 0.05, (2, 1)))
        ase.io.write(tmp_path / "x.xyz", bulk("Si"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import_dataset(tmp_path / "x.xyz", tmp_path / "x.npz", n_electrons=[given])
        assert any("electrons, but" in str(each.message) for each in caught) == told


class TestReal:
    def test_vasp_ldos(self, real_data, tmp_path):
        folder = real_data / "si_vasp_ldos"
        with pytest.warns(
            Caution, match=r"31\.25.* electrons, but 32 are given; so in 68 of 240 .*projections that miss"
        ):
            data = import_dataset(
                folder / "structures.xyz",
                folder / "ldos.npz",
                n_electrons={"Si": 4},
                energy_max=5.0,
                group_key="origin",
            )
        assert (len(data), len(data.numbers)) == (240, 2400)
        cut = data.refer_to("fermi")
        assert cut.grid.stop == data.grid.energies[data.grid.energies <= 5.0][-1]
        with pytest.raises(ValueError, match="high must be at most 5 eV, where the DOS of structure"):
            data.refer_to("fermi", high=6.0)
        # The projections hold the valence electrons to within a few per cent; 2 x that would be a spin error.
        dos = cut.dos
        held = dos.values[:, cut.grid.window(high=0.0)].sum(axis=1) * cut.grid.step / data.n_electrons
        assert 0.9 < held.min() < held.max() < 1.1
        back = LDOSDataset.load(data.save(tmp_path / "vasp.h5"))
        assert_allclose(back.select([7]).ldos.values, data.ldos.of_structure(7), atol=1e-6)

    def test_total_dos(self, real_data, tmp_path):
        folder = real_data / "si2_total_dos"
        with np.load(folder / "dos.npz") as file:
            energies, dos = file["energies"], 2 * file["dos_per_atom"]
        np.savez(tmp_path / "raw.npz", energies=energies, dos=dos)
        with pytest.raises(ValueError, match=r"one axis for all structures.*\(83, 200\)"):
            import_dataset(folder / "structures.xyz", tmp_path / "raw.npz", zero="code")
        common = np.arange(energies[:, 0].max(), energies[:, -1].min(), 0.05)
        np.savez(
            tmp_path / "common.npz",
            energies=common,
            dos=[np.interp(common, e, d) for e, d in zip(energies, dos, strict=True)],
        )
        data = import_dataset(folder / "structures.xyz", tmp_path / "common.npz", zero="code", smearing_width=0.3)
        assert data.ldos is None
        assert_array_equal(data.n_atoms, 2)
        train, test = data.split(0.2)
        assert (len(train), len(test)) == (66, 17)
        with pytest.raises(ValueError, match="fermi_energy of structure 'structures-0' is not known"):
            data.refer_to("fermi")


class TestCounts:
    """Two silicon atoms whose eight electrons fill the DOS up to zero."""

    @pytest.mark.parametrize(
        ("factor", "electrons", "cause"),
        [
            (1.0, {"Si": 14}, "begin above 20 electrons of filled"),
            (0.5, {"Si": 4}, "one spin may be missing"),
            (2.0, {"Si": 4}, "spins may be counted twice"),
        ],
    )
    def test_electrons_that_do_not_fit_are_told_at_once(self, tmp_path, factor, electrons, cause):
        energies = np.linspace(-5, 5, 101)
        dos = np.where(abs(energies + 2) < 1.01, factor * 8 / 2.1, 0.0) + np.where(energies > 2, 4.0, 0.0)
        ase.io.write(tmp_path / "s.xyz", Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]]))
        np.savez(tmp_path / "a.npz", energies=energies, dos=dos[None])
        with pytest.warns(Caution, match=cause):
            import_dataset(tmp_path / "s.xyz", tmp_path / "a.npz", n_electrons=electrons)

    def test_electrons_that_fit_pass(self, tmp_path):
        energies = np.linspace(-5, 5, 101)
        dos = np.where(abs(energies + 2) < 1.01, 8 / 2.1, 0.0) + np.where(energies > 2, 4.0, 0.0)
        ase.io.write(tmp_path / "s.xyz", Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]]))
        np.savez(tmp_path / "a.npz", energies=energies, dos=dos[None])
        import_dataset(tmp_path / "s.xyz", tmp_path / "a.npz", n_electrons={"Si": 4})  # warnings are errors


class TestWhatTheFileStates:
    """Zero, smearing, atoms and integrated column of an .npz file."""

    energies = np.linspace(-5.0, 5.0, 101)
    dos = np.where(abs(energies + 2) < 1.01, 8 / 2.1, 0.0) + np.where(energies > 2, 4.0, 0.0)

    def read(self, folder, **entries):
        ase.io.write(folder / "s.xyz", Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]]))
        np.savez(folder / "a.npz", **({"energies": self.energies, "dos": self.dos, "n_electrons": 8.0} | entries))
        return import_dataset(folder / "s.xyz", folder / "a.npz")

    def test_zero_and_smearing(self, tmp_path):
        data = self.read(tmp_path, energies=self.energies + 5, zero="code", fermi_energy=5.0, smearing_width=0.1)
        assert (data.grid.zero, data.smearing_width, data.fermi_energy[0]) == ("code", 0.1, 5.0)

    def test_the_integrated_column_goes_first(self, tmp_path):
        spike = self.dos.copy()
        spike[5] += 40.0
        integrated = np.cumsum(self.dos) * 0.1
        data = self.read(tmp_path, dos=spike, integrated_dos=integrated)
        assert np.trapezoid(data.dos.values[0], self.energies) == pytest.approx(integrated[-1])

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ({"numbers": [6, 6]}, "spectra of other atoms"),
            ({"spin": "up"}, "holds spectra of spin up"),
            ({"zero": "vbm"}, "'zero' in .* must be one of"),
            ({"integrated_dos": np.arange(101.0)[::-1]}, "integrated_dos must not fall"),
        ],
    )
    def test_what_does_not_fit(self, tmp_path, entries, message):
        with pytest.raises(ValueError, match=message):
            self.read(tmp_path, **entries)

    def test_energies_that_are_not_against_the_fermi_level(self, tmp_path):
        with pytest.warns(Caution, match="zero='code', --zero code"):
            self.read(tmp_path, energies=self.energies + 2)


class TestNames:
    @pytest.fixture
    def frames(self, tmp_path):
        """A function that writes three frames with entries, and their DOS; it returns both files."""

        def written(**entries):
            atoms = [Atoms("Si", positions=[[place, 0, 0]]) for place in range(3)]
            for key, values in entries.items():
                for one, value in zip(atoms, values, strict=True):
                    one.info[key] = value
            ase.io.write(tmp_path / "run.xyz", atoms)
            np.savez(tmp_path / "a.npz", energies=np.linspace(-1, 1, 5), dos=np.ones((3, 5)))
            return tmp_path / "run.xyz", tmp_path / "a.npz"

        return written

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (["a", "a", "a"], ["a-0", "a-1", "a-2"]),
            (["a", "b", "a"], ["a-0", "b", "a-1"]),
            (["a", "a-0", "a"], ["a-1", "a-0", "a-2"]),
        ],
    )
    def test_frames_that_share_a_name_are_numbered(self, frames, names, expected):
        with pytest.warns(Caution, match=rf"frames share the entry 'name' .*such as 'a'.*from '{expected[0]}' on"):
            assert import_dataset(*frames(name=names)).names == expected

    def test_another_entry_names_them(self, frames):
        files = frames(name=["a"] * 3, step=[10, 20, 30])
        assert import_dataset(*files, name_key="step").names == ["10", "20", "30"]
        with pytest.raises(ValueError, match="Frame 0 has no entry 'label'"):
            import_dataset(*files, name_key="label")

    def test_names_in_part_of_the_frames(self, frames):
        xyz, npz = frames()
        atoms = ase.io.read(xyz, ":")
        atoms[1].info["name"] = "a"
        ase.io.write(xyz, atoms)
        assert import_dataset(xyz, npz).names == ["run-0", "run-1", "run-2"]


def test_atom_types_of_lammps(tmp_path):
    atoms = bulk("SiC", "zincblende", 4.36)
    ase.io.write(tmp_path / "sic.data", atoms, format="lammps-data", specorder=["Si", "C"])
    np.savez(tmp_path / "a.npz", energies=np.linspace(-1, 1, 5), dos=np.ones((1, 5)))
    with pytest.raises(ValueError, match="does not tell elements"):
        import_dataset(tmp_path / "sic.data", tmp_path / "a.npz")
    data = import_dataset(tmp_path / "sic.data", tmp_path / "a.npz", species=["Si", "C"])
    assert sorted(data.numbers) == [6, 14]
