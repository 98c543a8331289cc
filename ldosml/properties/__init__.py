"""Everything that follows from a density of states.

Functions of a ``DOS``, with a row a structure, or of an ``LDOS``, with a row an atom; for one temperature or for an
array of them. ``derive_properties`` does all at once.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
