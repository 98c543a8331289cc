"""Structures that a reader mangled are refused by every entry."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from ldosml import SOAP, DOSModel, LDOSDataset, LDOSKernelRidge
from ldosml.structure_checks import check_sites
from ldosml.structure_files import read_structures

CIF = """data_x
_chemical_formula_sum '{formula}'
_cell_formula_units_Z {units}
_cell_length_a 3.08
_cell_length_b 3.08
_cell_length_c 5.05
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
_symmetry_space_group_name_H-M 'P 63 m c'
_symmetry_Int_Tables_number 186
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Si1 Si {third} {two} 0.0 {occupancy}
C1 C {third} {two} 0.375 1.0
"""


def cif(tmp_path, third="0.33333333", two="0.66666667", occupancy="1.0", formula="C Si", units=2):
    path = tmp_path / "x.cif"
    path.write_text(CIF.format(third=third, two=two, occupancy=occupancy, formula=formula, units=units))
    return path


def test_an_exact_file_is_read(tmp_path):
    assert len(read_structures(cif(tmp_path))[0]) == 4


def test_rounded_fractions_are_refused_with_their_cause(tmp_path):
    with pytest.raises(ValueError, match=r"x\.cif (states 2 units|: atoms .* CIF rounds)"):
        read_structures(cif(tmp_path, "0.333", "0.667"))
    path = tmp_path / "p.xyz"
    write(path, Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.003]], cell=[5, 5, 5], pbc=True))
    with pytest.raises(ValueError, match=r"p\.xyz: atoms 0 \(Si\) and 1 \(Si\) are 0\.003 angstrom apart.*CIF rounds"):
        read_structures(path)


def test_partial_occupation_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"partial or mixed occupation, such as site 0 with \{'Si': 0.5\}"):
        read_structures(cif(tmp_path, occupancy="0.5"))


@pytest.mark.parametrize(("formula", "units"), [("C Si", 4), ("C H2 Si", 2)])
def test_a_formula_that_the_sites_do_not_give_is_refused(tmp_path, formula, units):
    with pytest.raises(ValueError, match=f"states {units} units of {formula}.*sites and symmetry give"):
        read_structures(cif(tmp_path, formula=formula, units=units))


@pytest.mark.parametrize("pbc", [True, [True, False, True], False])
def test_pairs_across_the_cell_count_where_it_is_periodic(pbc):
    atoms = Atoms("Si2", positions=[[0.1, 2, 2], [4.9, 2, 2]], cell=[5, 5, 5], pbc=pbc)
    if np.all(pbc) or (isinstance(pbc, list) and pbc[0]):
        with pytest.raises(ValueError, match=r"0\.2 angstrom apart"):
            check_sites([atoms])
    else:
        check_sites([atoms])


def test_molecules_and_small_cells_pass():
    check_sites([molecule("H2"), molecule("CH4"), bulk("Si"), Atoms("H")])
    with pytest.raises(ValueError, match=r"atom 0 \(H\) and its image are 0\.4 angstrom apart.*cell too small"):
        check_sites([Atoms("H", cell=[0.4, 5, 5], pbc=True)])


CLOSE = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 0.3]], cell=[6, 6, 6], pbc=True)
SHARED = bulk("Si")
SHARED.info["occupancy"] = {"0": {"Si": 0.5, "C": 0.5}}
SAID = r"angstrom apart|mixed occupation"


@pytest.fixture(scope="module")
def model():
    structures = [bulk("Si", a=a) for a in (5.3, 5.4, 5.5)]
    data = LDOSDataset.from_arrays(structures, np.linspace(-3, 3, 21), ldos=np.ones((6, 21)))
    return DOSModel(SOAP(r_cut=4.0, n_max=2, l_max=1), LDOSKernelRidge(1e-3)).fit(data)


@pytest.mark.parametrize("atoms", [CLOSE, SHARED], ids=["close", "shared"])
def test_models_and_datasets_refuse_them(model, atoms):
    with pytest.raises(ValueError, match=SAID):
        model.predict([bulk("Si"), atoms])
    with pytest.raises(ValueError, match=SAID):
        LDOSDataset.from_arrays([atoms], np.linspace(-1, 1, 5), ldos=np.ones((2, 5)))


@pytest.mark.parametrize("atoms", [CLOSE, SHARED], ids=["close", "shared"])
def test_crystals_refuse_them(atoms):
    pytest.importorskip("safetensors")
    from ldosml.neural import crystals

    with pytest.raises(ValueError, match=SAID):
        crystals.standardized(atoms)
