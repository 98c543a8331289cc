"""A dataset on disk: what comes back, what is loaded when, and what is refused."""

import errno
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import h5py
import numpy as np
import pytest
from ase import Atoms
from numpy.testing import assert_allclose, assert_array_equal

from ldosml._seal import check_seal
from ldosml._shipped import shipped_file
from ldosml.datasets import LDOSDataset
from ldosml.stored_ldos import file_stamp


@pytest.fixture
def path(make_dataset, tmp_path):
    return make_dataset().save(tmp_path / "set.h5")


def same(one, other):
    for name in ("names", "kinds", "groups", "provenance", "label_noise", "smearing_width"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("n_electrons", "fermi_energy", "energy_max", "numbers", "structure_index"):
        assert_array_equal(getattr(one, name), getattr(other, name))
    for a, b in zip(one.structures, other.structures, strict=True):
        assert_array_equal(a.positions, b.positions)
        assert_array_equal(a.cell, b.cell)
        assert_array_equal(a.pbc, b.pbc)
    assert one.grid == other.grid
    assert_allclose(one.dos.values, other.dos.values, rtol=1e-6, atol=1e-30)


class TestRoundTrip:
    def test_ldos(self, make_dataset, tmp_path):
        data = make_dataset(
            label_noise={"smearing_width": [0.3], "ldos": [0.02], "dos": [0.01]},
            fermi_energy=[np.nan, *range(5)],
            n_electrons=[8, np.nan, 1, 2, 3, 4],
            energy_max=[np.inf, 4, 4, 4, 4, 4],
            provenance={"functional": "PBE", "Ångström": [1, {"a": None}]},
        )
        back = LDOSDataset.load(data.save(tmp_path / "set.h5"))
        same(back, data)
        assert back.stored_dos is None
        assert back.ldos.values.dtype == np.float64
        assert_allclose(back.ldos.values, data.ldos.values, rtol=1e-6, atol=1e-30)
        assert_array_equal(back.ldos.numbers, data.numbers)

    def test_dos_beside_ldos(self, make_dataset, tmp_path):
        data = make_dataset((1, 2), dos=np.full((2, 241), 0.25), projected_dos=np.full((2, 241), 0.5))
        back = LDOSDataset.load(data.save(tmp_path / "set.h5"))
        assert_array_equal(back.dos.values, 0.25)
        assert_array_equal(back.projected_dos.values, 0.5)
        assert_array_equal(back.dos.n_atoms, [1, 2])

    def test_dos_only_and_unknown_smearing(self, make_dataset, tmp_path):
        data = make_dataset(total=True, smearing_width=None)
        back = LDOSDataset.load(data.save(tmp_path / "set.h5"))
        same(back, data)
        assert back.ldos is None

    def test_tilted_cells(self, tmp_path):
        cells = [[[4, 0, 0], [1, 5, 0], [2, 3, 6.5]], [[0, 2.7, 2.7], [2.7, 0, 2.9], [2.5, 2.7, 0]]]
        data = LDOSDataset.from_arrays([Atoms("Si", cell=c, pbc=True) for c in cells], [0, 1], dos=np.ones((2, 2)))
        back = LDOSDataset.load(data.save(tmp_path / "set.h5"))
        same(back, data)
        assert_array_equal([atoms.cell for atoms in back.structures], cells)

    def test_same_bytes_each_time(self, make_dataset, tmp_path):
        first, second = (make_dataset().save(tmp_path / name).read_bytes() for name in ("a.h5", "b.h5"))
        assert first == second

    def test_compressed(self, make_dataset, tmp_path):
        data = make_dataset((3,) * 60)
        zeros = data.save(tmp_path / "set.h5").stat().st_size
        assert zeros < 0.6 * data.ldos.values.size * 4

    def test_existing_file_is_kept_unless_asked(self, make_dataset, path):
        before = path.read_bytes()
        with pytest.raises(FileExistsError, match="exists already"):
            make_dataset((1,)).save(path)
        assert path.read_bytes() == before
        make_dataset((1,)).save(path, overwrite=True)
        assert len(LDOSDataset.load(path)) == 1

    def test_file_that_appears_meanwhile_is_kept(self, make_dataset, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "fsync", lambda _: (tmp_path / "set.h5").write_text("another's"))
        with pytest.raises(FileExistsError, match="exists already"):
            make_dataset((1,)).save(tmp_path / "set.h5")
        assert [path.read_text() for path in tmp_path.iterdir()] == ["another's"]

    def test_onto_itself(self, path):
        data = LDOSDataset.load(path)
        data.select([2, 0]).save(path, overwrite=True)
        assert LDOSDataset.load(path).names == ["s2", "s0"]


class TestLazyReading:
    @pytest.fixture
    def loaded(self, monkeypatch):
        """The slices of rows that are read from files."""
        slices = []
        original = h5py.Dataset.__getitem__

        def recording(field, args, **options):
            if field.name == "/ldos":
                slices.append((args.start, args.stop))
            return original(field, args, **options)

        monkeypatch.setattr(h5py.Dataset, "__getitem__", recording)
        return slices

    def test_nothing_is_loaded_before_it_is_used(self, path, loaded):
        data = LDOSDataset.load(path)
        train, test = data.split(random_state=0)
        assert len(data.summary()) > 5
        assert repr(train)
        assert len(test.numbers) == len(test.structure_index)
        assert loaded == []

    def test_only_the_chosen_rows_once(self, make_dataset, path, loaded):
        part = LDOSDataset.load(path).select([5, 2, 3])  # atoms: 2, 3, 1, 2, 2, 3
        exact = make_dataset().select([5, 2, 3])
        for _ in range(2):
            assert_allclose(part.ldos.values, exact.ldos.values, rtol=1e-6, atol=1e-30)
            assert_allclose(part.dos.values, exact.dos.values, rtol=1e-6, atol=1e-30)
        assert loaded == [(10, 13), (5, 8)]

    def test_selections_of_selections(self, make_dataset, path, loaded):
        part = LDOSDataset.load(path).select([5, 2, 3]).select([2, 0])
        assert part.names == ["s3", "s5"]
        assert_allclose(part.ldos.values, make_dataset().select([3, 5]).ldos.values, rtol=1e-6, atol=1e-30)
        assert loaded == [(6, 8), (10, 13)]

    def test_loaded_rows_are_not_read_again(self, path, loaded):
        data = LDOSDataset.load(path)
        total = data.dos.values
        assert len(loaded) == 1
        assert_allclose(data.select([1]).dos.values[0], total[1])
        assert len(loaded) == 1

    def test_file_that_changed_is_refused(self, make_dataset, path):
        data = LDOSDataset.load(path)
        make_dataset((2, 3)).save(path, overwrite=True)
        with pytest.raises(ValueError, match="changed after it was opened"):
            _ = data.ldos

    def test_found_after_a_change_of_folder(self, path, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        data = LDOSDataset.load(path.name)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert len(data.ldos) == 13

    def test_values_that_are_not_finite(self, path):
        with h5py.File(path, "r+") as file:
            file["ldos"][3, 7] = np.nan
        with pytest.raises(ValueError, match=r"The field 'ldos' of .*set.h5 must be finite.*\[3, 7\]"):
            _ = LDOSDataset.load(path).ldos

    def test_damaged_rows(self, path):
        with h5py.File(path) as file:
            where = file["ldos"].id.get_chunk_info(0)
        content = bytearray(path.read_bytes())
        content[where.byte_offset + where.size // 2] ^= 0xFF
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"field 'ldos' of .* is damaged"):
            _ = LDOSDataset.load(path).ldos


class TestRefusals:
    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no dataset file .*none.h5"):
            LDOSDataset.load(tmp_path / "none.h5")
        with pytest.raises(FileNotFoundError):
            LDOSDataset.load(tmp_path)

    @pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.99])
    def test_truncated(self, path, kept):
        content = path.read_bytes()
        path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
        with pytest.raises(ValueError, match=r"set.h5 cannot be read.*truncated or not HDF5"):
            LDOSDataset.load(path)

    def test_text(self, tmp_path):
        (tmp_path / "set.h5").write_text("energies\n1 2 3\n")
        with pytest.raises(ValueError, match="truncated or not HDF5"):
            LDOSDataset.load(tmp_path / "set.h5")

    def test_foreign_hdf5(self, tmp_path):
        with h5py.File(tmp_path / "set.h5", "w") as file:
            file["ldos"] = np.ones((3, 4))
        with pytest.raises(ValueError, match=r"attribute 'format' must be 'ldosml dataset'; got None.*other HDF5"):
            LDOSDataset.load(tmp_path / "set.h5")

    def test_every_missing_field(self, make_dataset, tmp_path):
        path = make_dataset().save(tmp_path / "set.h5")
        content = path.read_bytes()
        with h5py.File(path) as file:
            attributes, fields = sorted(file.attrs), sorted(file)
        assert {"format", "format_version", "spin", "grid_zero", "smearing_width"} <= set(attributes)
        assert {"numbers", "positions", "cell", "pbc", "offsets", "ldos", "names", "energy_max"} <= set(fields)
        for name in [*attributes, *fields]:
            path.write_bytes(content)
            with h5py.File(path, "r+") as file:
                del (file.attrs if name in attributes else file)[name]
            expected = "needs ldos, dos, or both" if name == "ldos" else f"'{name}'"
            with pytest.raises(ValueError, match=rf"set.h5 cannot be read.*{expected}"):
                LDOSDataset.load(path)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("format", "mala", "'format' must be"),
            ("format", 3, "'format' must be"),
            ("format_version", 3, "'format_version' is 3.*Update ldosml"),
            ("format_version", 0, "'format_version' is 0.*Write it again"),
            ("format_version", "x", "'format_version' is not valid"),
            ("spin", "one spin", "'spin' must be 'both spins'"),
            ("grid_zero", "sea level", "zero of an EnergyGrid must be one of"),
            ("grid_step", -0.05, "step of an EnergyGrid must be a positive"),
            ("grid_step", np.nan, "'grid_step' is not valid: it must be a finite number; got nan"),
            ("grid_start", np.inf, "'grid_start' is not valid: it must be a finite number; got inf"),
            ("grid_size", 240, r"'ldos' must have shape \(13, 240\)"),
            ("grid_size", "many", "'grid_size' is not valid"),
            ("smearing_width", -1.0, "'smearing_width' must be a positive"),
            ("grid_size", np.inf, "'grid_size' is not valid"),
            ("provenance", "{", "'provenance' is not valid"),
            ("provenance", "[1]", "provenance must be a dictionary"),
            ("label_noise", "[1]", "label_noise must be a dictionary"),
        ],
    )
    def test_wrong_attribute(self, path, name, value, message):
        with h5py.File(path, "r+") as file:
            file.attrs[name] = value
        with pytest.raises(ValueError, match=message):
            LDOSDataset.load(path)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("offsets", [0, 2, 5, 6, 8, 10, 12], "'offsets' must ascend from 0 to the number of atoms, 13"),
            ("offsets", [0, 5, 2, 6, 8, 10, 13], "'offsets' must ascend"),
            ("offsets", [1, 2, 5, 6, 8, 10, 13], "'offsets' must ascend"),
            ("offsets", [0, 2, 2, 6, 8, 10, 13], "'offsets' must ascend"),
            ("offsets", [0, 13], r"'cell' must have shape \(1, 3, 3\)"),
            ("offsets", [0], r"'offsets' must have shape \(n_structures \+ 1,\)"),
            ("offsets", [[0, 13]], "'offsets' must have shape"),
            ("offsets", np.arange(7.0), "'offsets' holds values of the wrong type"),
            ("numbers", np.full(13, 200), "'numbers' must hold atomic numbers"),
            ("numbers", np.ones((13, 2), dtype=int), "'numbers' must have shape"),
            ("positions", np.ones((12, 3)), r"'positions' must have shape \(13, 3\); got \(12, 3\)"),
            ("positions", np.full((13, 3), np.nan), "positions of structure 's0' must be finite"),
            ("cell", np.full((6, 3, 3), np.inf), "cell of structure 's0' must be finite"),
            ("pbc", np.ones((6, 3)), "'pbc' holds values of the wrong type"),
            ("ldos", np.ones((12, 241), dtype=np.float32), r"'ldos' must have shape \(13, 241\)"),
            ("ldos", np.ones((13, 241), dtype=int), "'ldos' holds values of the wrong type"),
            ("dos", np.full((6, 241), np.nan), "'dos' must be finite"),
            ("dos", np.ones((5, 241)), r"'dos' must have shape \(6, 241\)"),
            ("projected_dos", np.ones((6, 240)), "'projected_dos' must have shape"),
            ("n_electrons", [8.0, 8, 8, 8, 8, -4], "n_electrons must be finite and not below 0.*'s5'"),
            ("n_electrons", [8.0], r"'n_electrons' must have shape \(6,\)"),
            ("fermi_energy", np.full(6, np.inf), "fermi_energy must be finite"),
            ("energy_max", np.full(6, np.nan), "energy_max must be finite"),
            ("names", ["a"] * 6, "names must be unique"),
            ("kinds", ["a"] * 5, r"'kinds' must have shape \(6,\)"),
            ("groups", np.arange(6), "'groups' holds values of the wrong type"),
        ],
    )
    def test_wrong_field(self, path, name, value, message):
        with h5py.File(path, "r+") as file:
            if name in file:
                del file[name]
            file[name] = value
        with pytest.raises(ValueError, match=rf"set.h5 cannot be read as an ldosml dataset: .*{message}"):
            LDOSDataset.load(path)

    @pytest.mark.parametrize("name", ["ldos", "names", "offsets", "projected_dos"])
    def test_fields_that_are_links(self, make_dataset, path, tmp_path, name):
        make_dataset().save(tmp_path / "other.h5")
        for link in (h5py.ExternalLink("other.h5", name), h5py.SoftLink("/numbers"), h5py.SoftLink("/none")):
            with h5py.File(path, "r+") as file:
                if file.get(name, getlink=True, default=None):
                    del file[name]
                file[name] = link
            with pytest.raises(ValueError, match=rf"set.h5 cannot be read .*'{name}' must be in the file itself"):
                LDOSDataset.load(path)

    def test_fields_stored_in_other_files(self, path, tmp_path):
        (tmp_path / "raw").write_bytes(bytes(6 * 8))
        layout = h5py.VirtualLayout((6,), float)
        layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "n_electrons", (6,))
        makers = (
            lambda file: file.create_dataset("n_electrons", (6,), float, external=[(str(tmp_path / "raw"), 0, 48)]),
            lambda file: file.create_virtual_dataset("n_electrons", layout),
        )
        for make in makers:
            with h5py.File(path, "r+") as file:
                del file["n_electrons"]
                make(file)
            with pytest.raises(ValueError, match="'n_electrons' must be in the file itself"):
                LDOSDataset.load(path)

    def test_more_than_memory_holds(self, path):
        with h5py.File(path, "r+") as file:
            del file["numbers"], file["offsets"]
            file["offsets"] = [0, 2**50]
            file.create_dataset("numbers", (2**50,), "i2", chunks=(1024,))
        with pytest.raises(ValueError, match=r"set.h5 cannot be read .* at most 100 MB, .* declares 9.01e\+06 GB"):
            LDOSDataset.load(path)

    def test_more_energies_than_memory_holds(self, path):
        with h5py.File(path, "r+") as file:
            del file["ldos"]
            file.attrs["grid_size"] = 2**50
            file.create_dataset("ldos", (13, 2**50), "f4", chunks=(1, 1024))
        with pytest.raises(ValueError, match=r"set.h5 cannot be read .* at most 100 MB, .* declares 1.17e\+08 GB"):
            LDOSDataset.load(path)

    def test_group_in_place_of_a_field(self, path):
        with h5py.File(path, "r+") as file:
            del file["ldos"]
            file.create_group("ldos")
        with pytest.raises(ValueError, match="'ldos' is missing"):
            LDOSDataset.load(path)


class TestChecksums:
    @pytest.mark.parametrize("with_ldos", [True, False])
    def test_any_flipped_bit_is_told_or_changes_nothing(self, make_dataset, tmp_path, with_ldos):
        path = make_dataset().save(tmp_path / "set.h5")
        data = LDOSDataset.load(path)
        if not with_ldos:
            path = replace(data, stored_ldos=None, stored_dos=data.dos).save(path, overwrite=True)
            data = LDOSDataset.load(path)
        content, told = path.read_bytes(), 0
        generator = np.random.default_rng(0)
        for place in generator.integers(0, len(content), 300):
            damaged = bytearray(content)
            damaged[place] ^= 1 << generator.integers(8)
            path.write_bytes(damaged)
            try:
                same(LDOSDataset.load(path), data)
            except ValueError as error:
                assert "set.h5" in str(error)  # noqa: PT017  some places change nothing
                told += 1
        assert told > 50

    def test_a_file_that_another_program_changed_is_read(self, path):
        with h5py.File(path, "r+") as file:
            file["positions"][0] = 0.5
        assert LDOSDataset.load(path).structures[0].positions[0, 0] == 0.5

    def test_a_shipped_set_without_checksum_is_read(self):
        path = shipped_file("silicon", ".h5", "dataset")
        assert not path.read_bytes().endswith(b"ldosml\n")
        check_seal(path)

    def test_the_same_content_gives_the_same_bytes(self, make_dataset, tmp_path, monkeypatch):
        first = make_dataset().save(tmp_path / "a.h5").read_bytes()
        monkeypatch.setattr("time.time", lambda: 1e9)
        assert make_dataset().save(tmp_path / "b.h5").read_bytes() == first


class TestDiskTrouble:
    @pytest.fixture(params=["fsync", "replace"])
    def full_disk(self, request, monkeypatch):
        def fail(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, request.param, fail)

    @staticmethod
    @contextmanager
    def tiny_disk():
        """Refuse files above 4 kB, in the middle of writing them.

        Around one call only: the limit holds for the log of the tests, too.
        """
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def test_nothing_half_written(self, make_dataset, tmp_path):
        dataset = make_dataset()
        with self.tiny_disk(), pytest.raises(OSError, match=r"was not written.*new.h5") as raised:
            dataset.save(tmp_path / "new.h5")
        assert raised.value.filename == str(tmp_path / "new.h5")
        assert list(tmp_path.iterdir()) == []

    def test_old_file_stays(self, make_dataset, path, full_disk):
        before = path.read_bytes()
        with pytest.raises(OSError, match="No space left on device; it was not written") as raised:
            make_dataset((1,)).save(path, overwrite=True)
        assert raised.value.errno == errno.ENOSPC
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_failed_append_leaves_the_file(self, make_dataset, path, full_disk):
        before = path.read_bytes()
        with pytest.raises(OSError, match="No space left"):
            LDOSDataset.load(path).append(make_dataset((2,), start=6)).save(path, overwrite=True)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    def test_interrupted(self, make_dataset, path, monkeypatch):
        def interrupt(_):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_dataset((1,)).save(path, overwrite=True)
        assert list(path.parent.iterdir()) == [path]
        assert len(LDOSDataset.load(path)) == 6

    def test_no_such_folder(self, make_dataset, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"was not written.*nowhere/set.h5"):
            make_dataset().save(tmp_path / "nowhere" / "set.h5")


class TestAppend:
    def test_appending_at_the_same_time_loses_nothing(self, make_dataset, tmp_path):
        for number in range(4):
            make_dataset((2, 1), start=3 * number).save(tmp_path / f"part-{number}.h5")
        code = "import sys, ldosml; ldosml.LDOSDataset.load(sys.argv[1]).append_to(sys.argv[2])"
        started = [
            subprocess.Popen([sys.executable, "-c", code, tmp_path / f"part-{number}.h5", tmp_path / "all.h5"])
            for number in range(4)
        ]
        assert [process.wait(60) for process in started] == [0] * 4
        assert sorted(LDOSDataset.load(tmp_path / "all.h5").names) == sorted(
            name for number in range(4) for name in make_dataset((2, 1), start=3 * number).names
        )
        assert len(list(tmp_path.iterdir())) == 5

    def test_structures_are_added(self, make_dataset, path):
        more = make_dataset((2, 1), start=6)
        LDOSDataset.load(path).append(more).save(path, overwrite=True)
        back = LDOSDataset.load(path)
        same(back, make_dataset().append(more))
        assert len(back) == 8


def test_stamp_tells_files_apart(path):
    before = file_stamp(path)
    os.utime(path, ns=(0, 0))
    assert file_stamp(path) != before
