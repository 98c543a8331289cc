"""Structures in files, and the index that chooses some of them."""

import shutil

import pytest
from ase import Atoms
from ase.io import write

from ldosml.structure_files import read_frames, read_structures, split_index


@pytest.fixture
def file(tmp_path):
    """Twelve frames of one atom, each at its own place."""
    path = tmp_path / "run.xyz"
    write(path, [Atoms("H", positions=[[place, 0, 0]]) for place in range(12)])
    return path


def places(path):
    return [round(float(atoms.positions[0, 0])) for atoms in read_structures(path)]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("", list(range(12))),
        ("@:", list(range(12))),
        ("@10:", [10, 11]),
        ("@0:9:4", [0, 4, 8]),
        ("@-2:", [10, 11]),
        ("@::-5", [11, 6, 1]),
        ("@8:100", [8, 9, 10, 11]),
        ("@3", [3]),
        ("@-1", [11]),
    ],
)
def test_frames_of_an_index(file, index, expected):
    assert places(f"{file}{index}") == expected
    assert list(read_frames(f"{file}{index}")) == expected


def test_a_trajectory(file):
    path = file.with_name("run.traj")
    write(path, read_structures(file))
    assert places(f"{path}@10:") == [10, 11]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("@12", r"run.xyz holds 12 frames, from 0 to 11; there is no frame 12"),
        ("@-13", "there is no frame -13"),
        ("@12:", "12: selects none of them"),
        ("@5:2", "5:2 selects none of them"),
        ("@::0", r"'::0' after the @ is no index of frames. Give one frame as @3 or @-1, or a range as @10:"),
        ("@last", "'last' after the @ is no index"),
        ("@1.5", "'1.5' after the @ is no index"),
        ("@1:2:3:4", "'1:2:3:4' after the @ is no index"),
        ("@", "'' after the @ is no index"),
    ],
)
def test_an_index_that_chooses_nothing_is_refused(file, index, message):
    with pytest.raises(ValueError, match=message):
        read_structures(f"{file}{index}")


def test_a_file_of_one_frame(tmp_path):
    write(tmp_path / "one.xyz", Atoms("H"))
    with pytest.raises(ValueError, match="holds 1 frame, number 0; there is no frame 1"):
        read_structures(tmp_path / "one.xyz@1")


@pytest.mark.parametrize("name", ["run@300K.xyz", "run@3", r"C:\runs\run@2.xyz", "a@b@c.xyz"])
def test_a_file_may_have_an_at_sign_in_its_name(file, name):
    path = shutil.copy(file, file.with_name(name))
    assert len(read_structures(path)) == 12
    assert places(f"{path}@-1") == [11]


def test_an_at_sign_in_a_folder_is_no_index(file, tmp_path):
    (tmp_path / "a@b").mkdir()
    path = shutil.copy(file, tmp_path / "a@b" / "run.xyz")
    assert split_index(path) == (path, ":")
    assert places(f"{path}@3") == [3]


def test_a_missing_file_is_named_without_its_index(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no structure file .*none\.xyz\.$"):
        read_structures(tmp_path / "none.xyz@3")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines, "0 0 0", "0 0 0"], "up to line 12: '0 0 0', the last one.*velocities follow"),
        (lambda lines: [*lines[:3], "0.5 zero 0.5", *lines[4:]], "up to line 5"),
        (lambda lines: lines[:-1], "up to line 9: '0 0 0', the last one"),
    ],
    ids=["velocities", "a word", "an atom too few"],
)
def test_a_poscar_that_cannot_be_read_tells_the_line(tmp_path, change, said):
    lines = ["one", "5.6", "0 0.5 0.5", "0.5 0 0.5", "0.5 0.5 0", "Ga As", "1 1", "Direct", "0 0 0", "0.25 0.25 0.25"]
    path = tmp_path / "POSCAR"
    path.write_text("\n".join(lines) + "\n")
    assert len(read_structures(path)[0]) == 2
    path.write_text("\n".join(change(lines)) + "\n")
    with pytest.raises(ValueError, match=f"(?s)read as 'vasp', {said}"):
        read_structures(path)


@pytest.mark.parametrize("elements", [False, True])
def test_types_of_lammps_are_no_elements(tmp_path, elements):
    rows = ["1 1 Si 0 0 0", "2 2 C 1.9 0 0"] if elements else ["1 1 0 0 0", "2 2 1.9 0 0"]
    columns = "id type element x y z" if elements else "id type x y z"
    head = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 5\n0 5\n"
    (tmp_path / "x.dump").write_text(f"{head}ITEM: ATOMS {columns}\n" + "\n".join(rows) + "\n")
    if elements:
        assert str(read_structures(tmp_path / "x.dump")[0].symbols) == "SiC"
    else:
        with pytest.raises(ValueError, match=r"x\.dump holds numbers of types \(1, 2\), not elements.*dump_modify"):
            read_structures(tmp_path / "x.dump")
