"""Files of a few kB that declare gigabytes are refused before memory is taken."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from ase.build import bulk

from ldosml import SOAP, DOSModel, LDOSRidge
from ldosml.array_files import read_arrays
from ldosml.datasets import CrystalSet, LDOSDataset
from ldosml.file_sizes import VARIABLE, check_archive, check_hdf5, most_unpacked, parsed_json
from ldosml.readers.arrays import read_band_arrays
from ldosml.structure_files import read_structures

LIMIT = "should unpack to at most 100 MB.*LDOSML_UNPACKED_GB"
GIGABYTE = 1 << 30


@pytest.fixture
def dataset(tmp_path, make_dataset):
    return make_dataset((2, 3, 2)).save(tmp_path / "set.h5")


def zeros(archive, name, shape, dtype="<f8"):
    """Add an array of zeros that deflate packs a thousandfold."""
    with archive.open(name, "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, {"descr": dtype, "fortran_order": False, "shape": shape})
        left = int(np.prod(shape)) * np.dtype(dtype).itemsize
        while left > 0:
            member.write(bytes(min(left, 1 << 22)))
            left -= 1 << 22


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """An .npz file of 120 kB with 120 MB, under every name that readers look for."""
    path = tmp_path_factory.mktemp("arrays") / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        zeros(archive, "eigenvalues.npy", (15_000_000,))
    return path


class TestHDF5:
    def test_fields_that_were_never_written(self, dataset):
        with h5py.File(dataset, "r+") as file:
            del file["ldos"]
            file.attrs["grid_size"] = 10_000_000
            file.create_dataset("dos", (3, 10_000_000), "f4", chunks=(1, 1 << 16), fillvalue=0.5)
        with pytest.raises(ValueError, match=LIMIT):
            LDOSDataset.load(dataset)

    def test_a_chunk_that_unpacks_to_more(self, dataset):
        with h5py.File(dataset, "r+") as file:
            shape = file["ldos"].shape
            del file["ldos"]
            field = file.create_dataset("ldos", shape, "f4", chunks=shape, compression="gzip")
            packer = zlib.compressobj(9)
            packed = b"".join(packer.compress(bytes(1 << 22)) for _ in range(40)) + packer.flush()
            field.id.write_direct_chunk((0, 0), packed)
        with pytest.raises(ValueError, match=r"A chunk of the field '/ldos' should have .* unpacks to more"):
            LDOSDataset.load(dataset)

    def test_a_field_that_is_compressed_twice(self, dataset):
        with h5py.File(dataset, "r+") as file:
            shape = file["ldos"].shape
            del file["ldos"]
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_chunk(shape)
            layout.set_deflate(9)
            layout.set_deflate(9)
            h5py.h5d.create(file.id, b"ldos", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(shape), layout)
        with pytest.raises(ValueError, match="should be compressed once"):
            LDOSDataset.load(dataset)

    def test_texts_that_are_stored_once(self, tmp_path):
        path, count = tmp_path / "texts.h5", 150
        with h5py.File(path, "w") as file:
            names = file.create_dataset("names", (count,), h5py.string_dtype())
            names[0] = "x" * 1_000_000
        with h5py.File(path) as file:
            place = file["names"].id.get_offset()
        content = bytearray(path.read_bytes())
        content[place : place + 16 * count] = content[place : place + 16] * count  # all refer to one text
        path.write_bytes(content)
        with (
            h5py.File(path) as file,
            pytest.raises(ValueError, match="'/names' should unpack to at most 100"),
        ):
            check_hdf5(file, path)

    def test_an_attribute_of_many_values(self, dataset):
        with h5py.File(dataset, "r+") as file:
            file.attrs["provenance"] = ["{}"] * 5
        with pytest.raises(ValueError, match=r"'provenance' .*must be one value; got values of shape \(5,\)"):
            LDOSDataset.load(dataset)

    def test_the_limit_can_be_raised(self, dataset, monkeypatch):
        assert most_unpacked(dataset) == 100_000_000
        monkeypatch.setenv(VARIABLE, "2.5")
        assert most_unpacked(dataset) == 2_500_000_000
        monkeypatch.setenv(VARIABLE, "much")
        with pytest.raises(ValueError, match="LDOSML_UNPACKED_GB must be a positive number of gigabytes; got 'much'"):
            most_unpacked(dataset)


class TestArchives:
    def test_bands(self, arrays):
        with pytest.raises(ValueError, match=LIMIT):
            read_band_arrays(arrays)

    def test_spectra(self, arrays):
        with pytest.raises(ValueError, match=LIMIT):
            read_arrays(arrays)

    def test_crystals(self, arrays):
        with pytest.raises(ValueError, match=LIMIT):
            CrystalSet.load(arrays)

    def test_small_numbers_count_as_double_precision(self, tmp_path):
        path = tmp_path / "bytes.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            zeros(archive, "dos.npy", (20_000_000,), "|i1")
        with zipfile.ZipFile(path) as archive, pytest.raises(ValueError, match="declares 160 MB"):
            check_archive(archive, path)

    def test_a_header_that_declares_more_than_there_is(self, tmp_path):
        for name in ("energies.npy", "dos.npy"):
            with open(tmp_path / name, "wb") as file:
                header = {"descr": "<f8", "fortran_order": False, "shape": (10**9,)}
                np.lib.format.write_array_header_1_0(file, header)
                file.write(bytes(80))
        with pytest.raises(ValueError, match=r"declares an array of shape \(1000000000,\), 8 GB, but has"):
            read_arrays({name: tmp_path / f"{name}.npy" for name in ("energies", "dos")})

    def test_json_of_many_values(self, tmp_path):
        path = tmp_path / "small"
        path.write_bytes(b"x")
        with pytest.raises(ValueError, match=LIMIT):
            parsed_json(b"[" + b"[]," * 1_500_000 + b"0]", path)


class TestModels:
    @pytest.fixture
    def model(self, tmp_path, make_dataset):
        fitted = DOSModel(SOAP(r_cut=3.0, n_max=2, l_max=1), LDOSRidge(alpha=1e-3)).fit(make_dataset((2, 3, 2)))
        return fitted.save(tmp_path / "model.ldosml")

    @staticmethod
    def rewrite(path, change=None, shape=None):
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        if change is not None:
            spec = json.loads(content["spec.json"])
            change(spec)
            content["spec.json"] = json.dumps(spec).encode()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                if shape is not None and name.endswith("coef_.npy"):
                    zeros(archive, name, shape)
                else:
                    archive.writestr(name, data)

    def test_arrays(self, model):
        self.rewrite(model, shape=(15_000_000,))
        with pytest.raises(ValueError, match=LIMIT):
            DOSModel.load(model)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("n_max", 100_000, "n_max of SOAP must be from 1 to 50"),
            ("n_max", 3, "SOAP has 20 features, its parts 42"),
            ("r_cut", 1e6, "r_cut of SOAP is too large"),
            ("l_max", 1000, "l_max of SOAP must be from 0 to 20"),
        ],
    )
    def test_parameters_are_checked_as_in_fit(self, model, name, value, message):
        self.rewrite(model, lambda spec: spec["descriptor"]["parameters"].update({name: value}))
        with pytest.raises(ValueError, match=message):
            DOSModel.load(model)

    def test_the_energies(self, model):
        self.rewrite(model, lambda spec: spec["grid"].update(size=10**12))
        with pytest.raises(ValueError, match="at most 10,000,000 energies; got 1,000,000,000,000"):
            DOSModel.load(model)


class TestStructureFiles:
    MANY = 10**11
    FILES = {  # noqa: RUF012
        "a.xyz": f"{MANY}\n\nSi 0 0 0\n",
        "second.xyz": f"1\n\nSi 0 0 0\n{MANY}\n\nSi 0 0 0\n",
        "a.dump": f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{MANY}\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
        "ITEM: ATOMS id element x y z\n1 Si 0 0 0\n",
        "a.data": f"LAMMPS\n\n{MANY} atoms\n1 atom types\n0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n\n"
        "Atoms # atomic\n\n1 1 0 0 0\n",
        "XDATCAR": f"x\n1.0\n5 0 0\n0 5 0\n0 0 5\nSi\n{MANY}\nDirect configuration= 1\n0 0 0\n",
        "POSCAR": f"x\n1.0\n5 0 0\n0 5 0\n0 0 5\nSi\n{MANY}\nDirect\n",
        "a.gen": f"{MANY} C\nSi\n1 1 0 0 0\n",
        "a.gro": f"x\n{MANY}\n    1SI     SI    1   0.000   0.000   0.000\n   1.0 1.0 1.0\n",
        "a.cube": f"a\nb\n{MANY} 0 0 0\n2 1 0 0\n2 0 1 0\n2 0 0 1\n14 0 0 0 0\n0 0 0 0 0 0 0 0\n",
        "a.cfg": f"Number of particles = {MANY}\nA = 1.0 Angstrom\n",
        "a.xsf": f"CRYSTAL\nPRIMVEC\n5 0 0\n0 5 0\n0 0 5\nPRIMCOORD\n{MANY} 1\n14 0 0 0\n",
    }

    @pytest.mark.parametrize("name", FILES)
    def test_more_atoms_than_bytes(self, tmp_path, name):
        path = tmp_path / name
        path.write_text(self.FILES[name])
        with pytest.raises(ValueError, match=r"declares 100,000,000,000 atoms|of 100000000000, three numbers"):
            read_structures(path)

    @pytest.mark.parametrize("ending", [".xyz", ".dump", ".gen", ".gro", ".cube", ".xsf", ".lammps-data"])
    def test_usual_files_pass(self, tmp_path, ending):
        atoms = bulk("Si", cubic=True)
        kind = {".dump": "lammps-dump-text", ".gro": "gromacs", ".lammps-data": "lammps-data"}.get(ending)
        if ending == ".dump":
            lines = [f"{i + 1} Si {x} {y} {z}" for i, (x, y, z) in enumerate(atoms.positions)]
            header = "ITEM: TIMESTEP\n900000000\nITEM: NUMBER OF ATOMS\n8\nITEM: BOX BOUNDS pp pp pp\n"
            box = "0 5.43\n" * 3 + "ITEM: ATOMS id element x y z\n"
            (tmp_path / "a.dump").write_text(header + box + "\n".join(lines) + "\n")
            assert len(read_structures(tmp_path / "a.dump")[0]) == 8
            return
        path = tmp_path / f"a{ending}"
        atoms.write(path, format=kind)
        found = read_structures(path, species=["Si"] if ending == ".lammps-data" else None)
        assert len(found[0]) == 8

    def test_compressed_files(self, tmp_path):
        path = tmp_path / "a.xyz.gz"
        with gzip.open(path, "wb") as file:
            for _ in range(110):
                file.write(b" " * 1_000_000)
        with pytest.raises(ValueError, match=LIMIT):
            read_structures(path)

    def test_lines_count(self, tmp_path):
        path = tmp_path / "a.xyz.gz"
        with gzip.open(path, "wb") as file:
            file.write(b"ab\n" * 2_000_000)
        with pytest.raises(ValueError, match=LIMIT):
            read_structures(path)


def test_the_memory_of_a_process_stays_small(tmp_path, make_dataset):
    """What no exception tells: a file of 15 kB with 12 GB is refused with little memory."""
    path = make_dataset((2, 3, 2)).save(tmp_path / "set.h5")
    with h5py.File(path, "r+") as file:
        rows = len(file["ldos"])
        del file["ldos"]
        file.attrs["grid_size"] = 5_000_000
        file.create_dataset("ldos", (rows, 5_000_000), "f4", chunks=(1, 1 << 16), fillvalue=0.5)
    code = f"from ldosml.datasets import LDOSDataset; LDOSDataset.load({str(path)!r}).ldos"

    def limited():
        resource.setrlimit(resource.RLIMIT_DATA, (GIGABYTE, GIGABYTE))

    run = subprocess.run([sys.executable, "-c", code], preexec_fn=limited, capture_output=True, text=True, timeout=60)
    assert "should unpack to at most 100 MB" in run.stderr


def test_frames_without_much_in_them(tmp_path, monkeypatch):
    monkeypatch.setattr("ldosml.atom_counts._FRAMES", 3)
    path = tmp_path / "frames.xyz"
    path.write_text("1\n\nH 0 0 0\n" * 3)
    assert len(read_structures(path)) == 3
    path.write_text("1\n\nH 0 0 0\n" * 4)
    with pytest.raises(ValueError, match="more than 3 frames"):
        read_structures(path)
