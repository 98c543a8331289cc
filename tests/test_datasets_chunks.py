"""Chunks of training data on disk: what comes back, what is recognised as unfinished, and what is refused."""

import errno
import os
import shutil

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ldosml.datasets import HDF5Chunks, HDF5ChunkWriter

RNG = np.random.default_rng(3)
SIZES = (7, 5, 6)
NAMES = {"X", "Y", "structure_index", "species", "dos", "groups"}


def chunk(number, **changes):
    """Two structures of a group of their own, with labels out of order."""
    n = SIZES[number]
    return {
        "X": RNG.normal(size=(n, 4)),
        "Y": RNG.normal(size=(n, 9)),
        "structure_index": np.where(np.arange(n) < 3, 2 * number + 1, 2 * number),
        "species": RNG.choice([6, 14], n),
        "dos": RNG.normal(size=(2, 9)),
        "groups": np.full(n, number),
    } | changes


CHUNKS = [chunk(number) for number in range(3)]


@pytest.fixture
def folder(tmp_path):
    with HDF5ChunkWriter(tmp_path / "data") as writer:
        for each in CHUNKS:
            writer.append(**each)
    return tmp_path / "data"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_was_written_comes_back_each_time(tmp_path, dtype):
    with HDF5ChunkWriter(tmp_path, dtype=dtype) as writer:
        for each in CHUNKS:
            writer.append(**each)
    chunks = HDF5Chunks(tmp_path)
    assert len(chunks) == 3
    for _ in range(2):
        for found, each in zip(chunks, CHUNKS, strict=True):
            assert set(found) == NAMES
            for name, values in each.items():
                assert_array_equal(found[name], values.astype(dtype) if values.dtype.kind == "f" else values)


def test_only_what_was_given_is_there(tmp_path):
    with HDF5ChunkWriter(tmp_path) as writer:
        writer.append([[1.0, 2.0]], [[3.0]], structure_index=[0])
    (found,) = HDF5Chunks(tmp_path)
    assert {name: values.tolist() for name, values in found.items()} == {
        "X": [[1.0, 2.0]],
        "Y": [[3.0]],
        "structure_index": [0],
    }


def test_learning_from_a_dos_takes_a_row_a_structure(tmp_path):
    with HDF5ChunkWriter(tmp_path) as writer:
        writer.append(CHUNKS[0]["X"], CHUNKS[0]["dos"], structure_index=CHUNKS[0]["structure_index"])
    (found,) = HDF5Chunks(tmp_path)
    assert_array_equal(found["Y"], CHUNKS[0]["dos"].astype(np.float32))


def test_an_unfinished_folder_is_recognised_and_finished(tmp_path):
    data = tmp_path / "data"
    with pytest.raises(ZeroDivisionError), HDF5ChunkWriter(data) as writer:
        writer.append(**CHUNKS[0])
        writer.append(**CHUNKS[1])
        raise ZeroDivisionError
    (data / ".chunk-00002.h5.1.1.tmp").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"not complete: .* after 2 chunks"):
        HDF5Chunks(data)
    with HDF5ChunkWriter(data) as writer:
        assert writer.n_chunks == 2
        writer.append(**CHUNKS[2])
    assert [len(each["X"]) for each in HDF5Chunks(data)] == list(SIZES)
    with pytest.raises(FileExistsError, match="complete already"):
        HDF5ChunkWriter(data)


def test_a_gap_between_chunks_is_recognised(folder):
    (folder / "complete.json").unlink()
    (folder / "chunk-00001.h5").unlink()
    with pytest.raises(ValueError, match=r"chunk-00001\.h5 is missing, but chunk-00002\.h5 is there"):
        HDF5ChunkWriter(folder)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of chunks"):
        HDF5Chunks(tmp_path / "none")


@pytest.mark.parametrize("content", ["", "{}", '{"n_chunks": "many"}', "[3]"])
def test_a_damaged_end_is_refused(folder, content):
    (folder / "complete.json").write_text(content)
    with pytest.raises(ValueError, match=r"complete.json is damaged"):
        HDF5Chunks(folder)


@pytest.mark.parametrize("damage", ["gone", "truncated", "bit", "other", "version", "copied over"])
def test_a_damaged_chunk_is_named(folder, damage):
    chunks, victim = HDF5Chunks(folder), folder / "chunk-00001.h5"
    content = victim.read_bytes()
    if damage == "gone":
        victim.unlink()
    elif damage == "truncated":
        victim.write_bytes(content[:-200])
    elif damage == "bit":
        place = content.index(CHUNKS[1]["X"][0].astype(np.float32).tobytes())
        victim.write_bytes(content[: place + 2] + bytes([content[place + 2] ^ 16]) + content[place + 3 :])
    elif damage == "version":
        with h5py.File(victim, "r+") as file:
            file.attrs["format_version"] = 1
    else:
        # Without labels of structures to tell, a chunk would count twice, and another not at all.
        shutil.copy(folder / ("complete.json" if damage == "other" else "chunk-00000.h5"), victim)
    kind = FileNotFoundError if damage == "gone" else ValueError
    with pytest.raises(kind, match=r"chunk .*chunk-00001.h5 is (gone|truncated, damaged or)"):
        list(chunks)
    victim.write_bytes(content)
    assert len(list(chunks)) == 3


def test_chunks_that_do_not_know_their_number_are_read(folder):
    with h5py.File(folder / "chunk-00001.h5", "r+") as file:
        del file.attrs["number"]
    assert [len(each["X"]) for each in HDF5Chunks(folder)] == list(SIZES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.ones(7)}, "X must have shape"),
        ({"Y": np.ones((6, 9))}, "Y must have shape"),
        ({"structure_index": np.zeros(3)}, "structure_index must have shape"),
        ({"species": np.full(3, 14)}, "species must have shape"),
        ({"Y": np.full((7, 9), 1e300)}, "Y must be finite"),
        ({"X": np.full((7, 4), np.nan)}, "X must be finite"),
        ({"dos": np.ones((3, 9))}, "dos must have shape"),
        ({"dos": np.ones((2, 8))}, "dos must have shape"),
        ({"groups": np.zeros(2, dtype=int)}, r"groups must have shape \(7\) = \(n_environments\)"),
        ({"Y": np.ones((2, 9)), "dos": None}, r"groups must have shape \(2\) = \(n_structures\)"),
        ({"groups": np.array(["a"] * 7)}, "groups of a chunk must be integers"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_bad_chunk_is_not_written(tmp_path, changes, message):
    writer = HDF5ChunkWriter(tmp_path)
    with pytest.raises(ValueError, match=message):
        writer.append(**CHUNKS[0] | changes)
    with pytest.raises(ValueError, match="No chunk was written"):
        writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_chunks_before(tmp_path, monkeypatch):
    writer = HDF5ChunkWriter(tmp_path)
    writer.append(**CHUNKS[0])

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device; it was not written"):
        writer.append(**CHUNKS[1])
    assert [path.name for path in tmp_path.iterdir()] == ["chunk-00000.h5"]
    assert writer.n_chunks == 1


def test_another_precision_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'float16'"):
        HDF5ChunkWriter(tmp_path, dtype="float16")
