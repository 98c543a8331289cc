"""Outputs of DFT codes: structures, bands and densities of states."""
