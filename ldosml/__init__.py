"""ldosml learns the electronic density of states from atomic structure, one energy at a time, one atom at a time.

``__init__.pyi`` lists the public names. Each is imported when it is first used, so ``import ldosml`` takes no time.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
