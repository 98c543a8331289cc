"""Tight binding for any structure: Harrison's matrix elements on atomic levels, with fitted parameters.

The Hamiltonian has 13 orbitals for each atom, and parameters by element, which ship (``TightBindingParameters``).
"""

from ldosml.tightbinding.corrections import CorrectedTightBinding, Corrections
from ldosml.tightbinding.hamiltonian import TightBinding
from ldosml.tightbinding.parameters import TightBindingParameters
from ldosml.tightbinding.unfolding import unfolded

__all__ = ["CorrectedTightBinding", "Corrections", "TightBinding", "TightBindingParameters", "unfolded"]
