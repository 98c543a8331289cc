"""Structures in files, and the index that chooses some of them."""

import gzip
import re
import shutil

import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write
from numpy.testing import assert_allclose

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


POSCAR = """GaAs
-47.53
0.0 0.5 0.5
0.5 0.0 0.5
0.5 0.5 0.0
Ga As
1 1
Selective dynamics
Direct
0 0 0 F F F
0.25 0.25 0.25 T T T
""".splitlines()


def poscar(path, changes=(), end=()):
    """A file with other lines, by their numbers from 1, or an end of its own."""
    lines = list(POSCAR)
    for number, line in changes:
        lines[number - 1] = line
    (path / "POSCAR").write_text("\n".join([*lines, *end]) + "\n")
    return path / "POSCAR"


class TestPoscar:
    @pytest.mark.parametrize(
        ("changes", "end", "message"),
        [
            ([], ["0 0 0", "0 0 0"], "line 12 must be the end of the file, or empty .* 2 atoms; got '0 0 0'"),
            ([], ["0.5 0.5 0.5 T T T"], "line 12 must be the end of the file"),
            ([], ["", "0 0 0", "0 0"], "line 14 must be the velocity of atom 2 of 2, three numbers; got '0 0'"),
            ([(2, "a")], [], "line 2 must be the scale, one number or three; got 'a'"),
            ([(4, "0.5 0.5")], [], "line 4 must be the second lattice vector, three numbers; got '0.5 0.5'"),
            ([(6, "Ga Xy")], [], "line 6 must be the elements, such as 'Si C'; got 'Ga Xy'"),
            ([(7, "1")], [], "line 7 must be the number of atoms of each of the 2 elements; got '1'"),
            ([(9, "")], [], "line 9 must be 'Direct' or 'Cartesian'; got an empty line"),
            ([(11, "0.25 b 0.25 T T T")], [], "line 11 must be the position of atom 2 of 2, three numbers and three"),
            ([(7, "1 2")], [], "line 12 must be the position of atom 3 of 3, .*; got the end of the file"),
        ],
    )
    def test_the_line_at_fault_is_told(self, tmp_path, changes, end, message):
        with pytest.raises(ValueError, match=rf"cannot be read as a POSCAR file: {message}"):
            read_structures(poscar(tmp_path, changes, end))

    @pytest.mark.parametrize(
        ("changes", "end"),
        [
            ([], []),
            ([], ["", ""]),
            ([], ["", "0.1 0 0", "0 0.1 0"]),
            ([], ["Cartesian", "0.1 0 0", "0 0.1 0", "", "1", "1.0"]),  # with a predictor and corrector
            ([(6, "Ga_d As/0123"), (7, "1 1 ! each")], []),
        ],
    )
    def test_what_is_right_is_read(self, tmp_path, changes, end):
        (atoms,) = read_structures(poscar(tmp_path, changes, end))
        assert str(atoms.symbols) == "GaAs"
        assert atoms.get_volume() == pytest.approx(47.53)

    def test_elements_in_the_comment(self, tmp_path):
        lines = ["Ga As", *POSCAR[1:5], *POSCAR[6:]]
        (tmp_path / "POSCAR").write_text("\n".join(lines))
        assert str(read_structures(tmp_path / "POSCAR")[0].symbols) == "GaAs"


SILICON_CARBIDE = bulk("SiC", "zincblende", 4.36, cubic=True)


def lammps(path, kind):
    """Silicon carbide with silicon as type 1 and carbon as type 2."""
    file = path / f"sic.{kind}"
    if kind == "data":
        write(file, SILICON_CARBIDE, format="lammps-data", specorder=["Si", "C"])
    elif kind == "masses":
        write(file, SILICON_CARBIDE, format="lammps-data", specorder=["Si", "C"], masses=True)
    else:
        columns = {"dump": "", "elements.dump": " element"}[kind]
        rows = [
            f"{n} {1 if atom.symbol == 'Si' else 2} {atom.x} {atom.y} {atom.z} {atom.symbol if columns else ''}"
            for n, atom in enumerate(SILICON_CARBIDE, start=1)
        ]
        head = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", "8", "ITEM: BOX BOUNDS pp pp pp", *["0 4.36"] * 3]
        file.write_text("\n".join([*head, f"ITEM: ATOMS id type x y z{columns}", *rows]) + "\n")
    return file


class TestLammps:
    @pytest.mark.parametrize("kind", ["data", "dump"])
    def test_unknown_elements_are_refused(self, tmp_path, kind):
        with pytest.raises(ValueError, match=r"only atom types 1, 2.*species=\[.*--species Si,C"):
            read_structures(lammps(tmp_path, kind))

    @pytest.mark.parametrize("kind", ["masses", "elements.dump"])
    def test_known_elements_are_kept(self, tmp_path, kind):
        assert (read_structures(lammps(tmp_path, kind))[0].numbers == SILICON_CARBIDE.numbers).all()

    def test_masses_of_no_element(self, tmp_path):
        file = lammps(tmp_path, "masses")
        file.write_text(re.sub(r"28\.08\S*", "1.5", file.read_text()))
        with pytest.raises(ValueError, match="does not tell elements"):
            read_structures(file)

    @pytest.mark.parametrize("kind", ["data", "dump", "masses", "elements.dump"])
    @pytest.mark.parametrize("species", [["Si", "C"], {2: "C", 1: "Si"}])
    def test_types_become_elements(self, tmp_path, kind, species):
        (atoms,) = read_structures(lammps(tmp_path, kind), species=species)
        assert (atoms.numbers == SILICON_CARBIDE.numbers).all()
        assert_allclose(atoms.positions, SILICON_CARBIDE.positions, atol=1e-6)

    def test_a_compressed_dump(self, tmp_path):
        file = lammps(tmp_path, "dump")
        with gzip.open(f"{file}.gz", "wb") as packed:
            packed.write(file.read_bytes())
        with pytest.raises(ValueError, match="only atom types 1, 2"):
            read_structures(f"{file}.gz")
        assert len(read_structures(f"{file}.gz", species=["Si", "C"])[0]) == 8

    @pytest.mark.parametrize(
        ("species", "message"),
        [
            (["Si"], "must have an element for every atom type; .*sic.dump has type 2"),
            (["Si", "Qq"], "must be chemical elements, such as Si; got 'Qq'"),
        ],
    )
    def test_bad_species(self, tmp_path, species, message):
        with pytest.raises(ValueError, match=message):
            read_structures(lammps(tmp_path, "dump"), species=species)

    def test_other_files_have_no_types(self, file):
        with pytest.raises(ValueError, match=r"species maps the atom types of LAMMPS files.*run.xyz is extxyz"):
            read_structures(file, species=["H"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2\n\nH 0 0 0\nH 0 zero 0\n", "read as 'extxyz', up to line 4: 'H 0 zero 0', the last one"),
        ("2\n\nH 0 0 0\nH 0 0\n\n\n", "read as 'extxyz', up to line"),
    ],
)
def test_other_files_tell_how_far_they_were_read(tmp_path, text, message):
    (tmp_path / "bad.xyz").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_structures(tmp_path / "bad.xyz")
