"""ldosml learns the electronic density of states from atomic structure."""

__version__ = "0.1.0"
