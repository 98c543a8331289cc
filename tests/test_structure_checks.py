"""Structures that a file or its reader mangled are refused wherever they come in, before anything is computed."""

import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read, write
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from ldosml import (
    LDOS,
    SOAP,
    DOSModel,
    EnergyGrid,
    LDOSDataset,
    LDOSKernelRidge,
    TightBindingSpectrum,
    Whitened,
    cut_fragments,
    predict_to,
)
from ldosml.datasets import available_datasets, load_dataset
from ldosml.structure_checks import CLOSEST, check_sites
from ldosml.structure_files import read_structures

CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma {gamma}
_space_group_IT_number {group}
_symmetry_space_group_name_H-M '{symbol}'
{more}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def cif(path, sites, more="", **cell):
    given = {"name": "x", "a": 5.43, "b": 5.43, "c": 5.43, "gamma": 90, "group": 1, "symbol": "P 1"} | cell
    path.write_text(CIF.format(sites="\n".join(sites), more=more, **given))
    return path


HEXAGONAL = {"a": 3.08, "b": 3.08, "c": 5.05, "gamma": 120, "group": 186, "symbol": "P 63 m c"}


def wurtzite(path, third, more=""):
    """SiC with 1/3 and 2/3 as printed with some digits."""
    one, two = f"{1 / 3:.{third}f}", f"{2 / 3:.{third}f}"
    return cif(path, [f"Si1 Si {one} {two} 0 1", f"C1 C {one} {two} 0.376 1"], more, **HEXAGONAL)


def squeezed():
    return Atoms("Si2", positions=[[0.1, 0, 0], [5.3, 0, 0]], cell=[5.4] * 3, pbc=True)


def shared():
    atoms = bulk("NaCl", "rocksalt", 5.6)
    atoms.info["occupancy"] = {"0": {"Na": 0.5, "K": 0.5}, "1": {"Cl": 1.0}}
    atoms.set_array("spacegroup_kinds", np.array([0, 1]))
    return atoms


class TestDistances:
    @given(st.integers(0, 10_000), st.integers(1, 6), st.tuples(*[st.booleans()] * 3))
    @settings(max_examples=60, deadline=None)
    def test_it_refuses_what_a_neighbour_list_finds(self, seed, count, pbc):
        rng = np.random.default_rng(seed)
        cell = rng.normal(size=(3, 3)) * rng.uniform(0.5, 3)
        assume(1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max() > 0.05)
        atoms = Atoms("H" * count, positions=rng.normal(size=(count, 3)) * 4, cell=cell, pbc=pbc)
        distances = neighbor_list("d", atoms, CLOSEST)
        if len(distances):
            with pytest.raises(ValueError, match=f"are {distances.min():.3g} angstrom apart"):
                check_sites([bulk("Si"), atoms], ["silicon", "other"])
        else:
            check_sites([bulk("Si"), atoms], ["silicon", "other"])

    def test_the_message_names_structure_pair_distance_and_remedy(self):
        with pytest.raises(ValueError, match=r"^b: atoms 0 \(Si\) and 1 \(Si\) are 0\.2 angstrom apart.* listed twice"):
            check_sites([bulk("Si"), squeezed()], ["a", "b"])

    def test_atoms_that_stand_for_one(self):
        with pytest.raises(ValueError, match=r"0\.003 angstrom apart.* rounded fractions \(0\.333 for 1/3\)"):
            check_sites([Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.003]])])

    def test_an_atom_and_its_image(self):
        with pytest.raises(ValueError, match=r"atom 0 \(H\) and its image in the next cell are 0\.4 angstrom"):
            check_sites([Atoms("H", cell=[0.4, 3, 3], pbc=True)])

    def test_another_unit(self):
        atoms = bulk("Si", cubic=True)
        atoms.positions /= 10
        with pytest.raises(ValueError, match=r"So are 8 of its 8 atoms: .* another unit"):
            check_sites([atoms])
        atoms.set_cell(atoms.cell / 1e4)
        with pytest.raises(ValueError, match=r"thick. Is the unit angstrom"):
            check_sites([atoms])

    def test_molecules_pass(self):
        check_sites([molecule("H2"), Atoms("H"), Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.51]])])

    def test_structures_do_not_see_each_other(self):
        check_sites([bulk("Si")] * 3)

    def test_large_structures_take_no_time(self):
        atoms = bulk("Si", cubic=True) * (11, 11, 11)
        atoms.rattle(0.1, seed=0)
        start = time.perf_counter()
        check_sites([atoms])
        assert time.perf_counter() - start < 1.0

    @pytest.mark.parametrize("name", available_datasets())
    def test_shipped_sets_pass(self, name):
        data = load_dataset(name)
        check_sites(data.structures, data.names)


class TestOccupancies:
    @pytest.mark.parametrize("who", [{"Na": 0.5, "K": 0.5}, {"Na": 0.9}, {}])
    def test_shared_sites(self, who):
        atoms = shared()
        atoms.info["occupancy"]["0"] = who
        with pytest.raises(ValueError, match="mixture has 1 site with partial or mixed occupation, such as site 0"):
            check_sites([atoms], ["mixture"])

    def test_whole_sites_pass(self):
        atoms = shared()
        atoms.info["occupancy"]["0"] = {"Na": 0.9995}  # files round
        check_sites([atoms])

    def test_a_part_without_shared_sites_passes(self):
        check_sites([shared()[[1]]])

    def test_other_entries_of_that_name_pass(self):
        atoms = bulk("Si")
        atoms.info["occupancy"] = 0.5
        check_sites([atoms])

    def test_alternatives_of_a_protein_file(self, tmp_path):
        atoms = molecule("CH3OH")
        atoms.set_array("occupancy", np.array([1, 1, 0.6, 1, 1, 1.0]))
        write(tmp_path / "a.pdb", atoms)
        with pytest.raises(ValueError, match=r"atom 2 \(H\) has the occupancy 0.6"):
            read_structures(tmp_path / "a.pdb")
        atoms.set_array("occupancy", np.zeros(6))  # not filled in
        check_sites([atoms])


class TestFiles:
    def test_rounded_coordinates_of_special_positions(self, tmp_path):
        assert len(read_structures(wurtzite(tmp_path / "fine.cif", 5))[0]) == 4
        with pytest.raises(ValueError, match=r"short.cif: atoms 0 \(Si\).*too few digits \(0.333 for 1/3\)"):
            read_structures(wurtzite(tmp_path / "short.cif", 3))

    def test_another_origin(self, tmp_path):
        """Diamond with the atom of the second origin, and ASE's operations of the first, which make 16 atoms."""
        file = cif(
            tmp_path / "si.cif",
            ["Si1 Si 0.125 0.125 0.125 1"],
            "_chemical_formula_sum Si\n_cell_formula_units_Z 8",
            group=227,
            symbol="F d -3 m",
        )
        with pytest.raises(ValueError, match=r"Si with Z = 8 means Si8 in a cell, but reading it gave Si16.*origin"):
            read_structures(file)

    @pytest.mark.parametrize(
        ("name", "more"),
        [("F d -3 m :2", ""), ("F d -3 m Z", ""), ("F d -3 m", "_space_group_IT_coordinate_system_code 2")],
    )
    def test_the_origin_that_the_file_states_is_used(self, tmp_path, name, more):
        file = cif(tmp_path / "si.cif", ["Si1 Si 0.125 0.125 0.125 1"], more, group=227, symbol=name)
        (atoms,) = read_structures(file)
        assert str(atoms.symbols) == "Si8"
        assert not any(key.startswith("_") for key in atoms.info)

    def test_an_origin_that_is_not_stated(self, tmp_path):
        file = cif(tmp_path / "si.cif", ["Si1 Si 0.125 0.125 0.125 1"], group=227, symbol="F d -3 m")
        with pytest.raises(ValueError, match=r"si.cif: it has neither .* origin .*Si16, and the second 8, Si8"):
            read_structures(file)
        file = cif(tmp_path / "si.cif", ["Si1 Si 0 0 0 1"], group=227, symbol="F d -3 m")
        assert len(read_structures(file)[0]) == 8

    def test_copies_of_a_site_nearer_than_any_bond(self, tmp_path):
        """Anatase of the second origin by the operations of the first: 16 titanium atoms, 1.9 angstrom apart."""
        sites = ["Ti1 Ti 0 0.25 0.375 1", "O1 O 0 0.25 0.1669 1"]
        cell = {"a": 3.785, "b": 3.785, "c": 9.514, "group": 141}
        with pytest.raises(ValueError, match=r"copies of one site by symmetry, are 1.89 angstrom apart.*origin"):
            read_structures(cif(tmp_path / "a.cif", sites, symbol="I 41/a m d :1", **cell))
        (atoms,) = read_structures(cif(tmp_path / "a.cif", sites, symbol="I 41/a m d :2", **cell))
        assert str(atoms.symbols) == "Ti4O8"

    def test_occupancies_that_are_not_given_are_whole(self, tmp_path):
        file = cif(tmp_path / "x.cif", ["Na1 Na 0 0 0 ?", "Cl1 Cl 0.5 0.5 0.5 ."], group=225, symbol="F m -3 m")
        assert len(read_structures(file)[0]) == 8

    def test_mixed_sites(self, tmp_path):
        file = cif(tmp_path / "mixed.cif", ["Si1 Si 0 0 0 0.6", "C1 C 0 0 0 0.4", "Si2 Si 0.25 0.25 0.25 1"])
        with pytest.raises(ValueError, match=r"mixed.cif has 1 site with .* site 0 with Si 0.6, C 0.4"):
            read_structures(file)

    @pytest.mark.parametrize(
        "formula",
        [
            "_chemical_formula_sum 'C Si'\n_cell_formula_units_Z 2",
            "_chemical_formula_sum 'C2 Si2'\n_cell_formula_units_Z 2",  # of the whole cell, as pymatgen writes it
            "_chemical_formula_sum 'C1 Si1'",
            "_chemical_formula_moiety 'Si C'\n_cell_formula_units_Z 2",
            "_chemical_formula_moiety 'Si 4+, C 4-'\n_cell_formula_units_Z 2",
            "_chemical_formula_moiety '2(Si C)'\n_cell_formula_units_Z 1",
            "_chemical_formula_sum ?\n_cell_formula_units_Z 2",
            "_chemical_formula_sum 'see text'\n_cell_formula_units_Z 2",
        ],
    )
    def test_formulas_that_fit(self, tmp_path, formula):
        (atoms,) = read_structures(wurtzite(tmp_path / "x.cif", 5, formula))
        assert len(atoms) == 4
        assert not [key for key in atoms.info if key.startswith("_")]

    @pytest.mark.parametrize(
        ("formula", "message"),
        [
            ("_chemical_formula_sum 'C Si'\n_cell_formula_units_Z 4", "Z = 4 means C4 Si4 in a cell, .* gave C2 Si2"),
            ("_chemical_formula_sum 'C Si H4'\n_cell_formula_units_Z 2", "missing, such as hydrogen"),
            ("_chemical_formula_sum 'C2 Si'", "has other proportions than C2 Si2"),
            ("_chemical_formula_moiety 'Si C, H2 O'\n_cell_formula_units_Z 2", "means C2 H4 O2 Si2 in a cell"),
        ],
    )
    def test_formulas_that_do_not(self, tmp_path, formula, message):
        with pytest.raises(ValueError, match=rf"x.cif: its formula .*{message}"):
            read_structures(wurtzite(tmp_path / "x.cif", 5, formula))

    def test_deuterium_is_hydrogen(self, tmp_path):
        sites = ["O1 O 0 0 0 1", "D1 D 0.2 0 0 1", "D2 D 0 0.2 0 1"]
        file = cif(tmp_path / "x.cif", sites, "_chemical_formula_sum 'D2 O'\n_cell_formula_units_Z 1")
        assert read_structures(file)[0].symbols.formula.count() == {"O": 1, "H": 2}

    def test_only_chosen_frames_are_checked(self, tmp_path):
        write(tmp_path / "run.xyz", [bulk("Si"), squeezed()])
        assert len(read_structures(f"{tmp_path / 'run.xyz'}@0")) == 1
        with pytest.raises(ValueError, match=r"run.xyz, frame 1: atoms 0 \(Si\) and 1"):
            read_structures(tmp_path / "run.xyz")


class TestEntryPoints:
    """Structures from ASE's own reader come in by Python."""

    GRID = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")

    @pytest.fixture
    def model(self):
        ldos = LDOS(self.GRID, np.ones((4, 101)), structure_index=[0, 0, 1, 1])
        return DOSModel(SOAP(r_cut=3.0, n_max=3, l_max=2), LDOSKernelRidge(alpha=1e-3)).fit(
            [bulk("Si", a=a) for a in (5.4, 5.5)], ldos
        )

    @pytest.fixture(params=["short", "mixed", "squeezed"])
    def mangled(self, request, tmp_path):
        if request.param == "short":
            return read(wurtzite(tmp_path / "x.cif", 3))
        return shared() if request.param == "mixed" else squeezed()

    def test_predictions(self, model, mangled, tmp_path):
        with pytest.raises(ValueError, match=r"structure 1.*(apart|mixed occupation)"):
            model.predict([bulk("Si"), mangled])
        with pytest.raises(ValueError, match=r"structure 0.*(apart|mixed occupation)"):
            predict_to(model, mangled, tmp_path / "x.h5")

    @pytest.mark.parametrize(
        "descriptor", [SOAP(), TightBindingSpectrum(), Whitened(SOAP())], ids=lambda d: type(d).__name__
    )
    def test_descriptors_and_fragments(self, mangled, descriptor):
        for compute in (
            descriptor.fit,
            clone(descriptor).fit([bulk("Si", a=a) for a in (5.4, 5.5)]).transform,
            lambda given: cut_fragments(given, 3.0),
        ):
            with pytest.raises(ValueError, match=r"structure 1.*(apart|mixed occupation)"):
                compute([bulk("Si"), mangled])

    def test_fits_and_datasets(self, mangled):
        values = np.ones((len(mangled), 101))
        with pytest.raises(ValueError, match=r"structure 0.*(apart|mixed occupation)"):
            DOSModel().fit([mangled], LDOS(self.GRID, values, structure_index=np.zeros(len(mangled), dtype=int)))
        with pytest.raises(ValueError, match=r"structure 'bad'.*(apart|mixed occupation)"):
            LDOSDataset.from_arrays([mangled], self.GRID.energies, ldos=values, names=["bad"])
