"""A report on a trained model: one HTML page that needs no other files and no network."""

from ldosml.report.crystals import save_crystal_report
from ldosml.report.derived_properties import PRINCIPAL, DerivedProperties
from ldosml.report.evaluation import save_report
from ldosml.report.parts import Picture, Section, Table

__all__ = [
    "PRINCIPAL",
    "DerivedProperties",
    "Picture",
    "Section",
    "Table",
    "save_crystal_report",
    "save_report",
]
