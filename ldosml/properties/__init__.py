"""Properties of a density of states.

Functions of a ``DOS``, with one row for each structure, or of an ``LDOS``, with one row for each atom, at one
temperature or at an array of them. ``derive_properties`` computes all of them at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
