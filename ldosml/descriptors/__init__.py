"""Descriptors: what an atom sees of its surroundings, as a row of numbers.

Each is a scikit-learn transformer from structures, fragments or regions to rows (n_environments, n_features), atom by
atom, structure by structure.
"""

from ldosml.descriptors.environments import Environments
from ldosml.descriptors.joined import Joined
from ldosml.descriptors.precomputed import Precomputed
from ldosml.descriptors.pretrained_features import PretrainedFeatures
from ldosml.descriptors.soap import SOAP
from ldosml.descriptors.tight_binding_spectrum import TightBindingSpectrum
from ldosml.descriptors.whitened import Whitened

__all__ = ["SOAP", "Environments", "Joined", "Precomputed", "PretrainedFeatures", "TightBindingSpectrum", "Whitened"]
