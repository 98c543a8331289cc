"""The descriptor that a model has unless the user chooses one."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from ldosml import LDOS, SOAP, DOSModel, EnergyGrid, Joined, LDOSKernelRidge, TightBindingSpectrum, Whitened
from ldosml.descriptors.default import default_descriptor
from ldosml.search.expression import expression
from ldosml.tightbinding import TightBindingParameters


def fit(structures):
    grid = EnergyGrid.from_range(-1, 1, 0.5, zero="fermi")
    counts = [len(atoms) for atoms in structures]
    values = np.random.default_rng(0).uniform(0, 1, (sum(counts), grid.size))
    ldos = LDOS(grid, values, structure_index=np.repeat(range(len(structures)), counts))
    return DOSModel(regressor=LDOSKernelRidge(1e-3)).fit(structures, ldos)


def test_it_joins_soap_and_tight_binding():
    model = fit([bulk("Si", a=a) for a in (5.3, 5.4, 5.5)])
    expected = Joined([Whitened(SOAP()), Whitened(TightBindingSpectrum(), power=0.0)], weights=[1.0, 0.5])
    assert expression(model.descriptor_) == expression(expected)


def test_it_is_soap_alone_and_says_so_without_parameters_of_an_element():
    with pytest.warns(UserWarning, match=r"no parameters of Ce, Gd: the descriptor is SOAP alone"):
        model = fit([bulk("Gd", "fcc", a=a) for a in (5.0, 5.1)] + [bulk("Ce", "fcc", a=a) for a in (5.1, 5.2)])
    assert expression(model.descriptor_) == expression(Whitened(SOAP()))


def test_own_parameters_decide_where_they_are_given(tmp_path):
    TightBindingParameters.fitted().save(tmp_path / "own.json", [14])
    own = TightBindingSpectrum(parameters=TightBindingParameters.load(tmp_path / "own.json"))
    assert default_descriptor([bulk("Si")], spectrum=own).parts[1].descriptor is own
    germanium = bulk("Ge")
    with pytest.warns(UserWarning, match="no parameters of Ge: "):
        assert isinstance(default_descriptor([germanium], spectrum=own), Whitened)


def test_one_large_cell_makes_tight_binding_local():
    small, large = bulk("Si"), bulk("Si") * (5, 5, 5)
    assert default_descriptor([small, small]).parts[1].descriptor.r_cut is None
    with pytest.warns(
        UserWarning, match="has 250 atoms, more than 200: tight binding is of the atoms within 6 angstrom"
    ):
        assert default_descriptor([small, large]).parts[1].descriptor.r_cut == 6.0


def test_it_needs_structures():
    with pytest.raises(ValueError, match="structure"):
        default_descriptor([])
    with pytest.raises(TypeError, match=r"ase\.Atoms"):
        default_descriptor(["Si"])
    assert default_descriptor([Atoms("Si")]).parts[1].descriptor.r_cut is None
