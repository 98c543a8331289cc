"""A report on a trained model: one HTML page that needs no other file and no network."""

from ldosml.datasets.noise import label_noise_at, property_noise_at
from ldosml.report.crystals import write_crystal_report
from ldosml.report.derived import PRINCIPAL, DerivedProperties
from ldosml.report.parts import Cell, Picture, Section, Table
from ldosml.report.writing import write_report

__all__ = [
    "PRINCIPAL",
    "Cell",
    "DerivedProperties",
    "Picture",
    "Section",
    "Table",
    "label_noise_at",
    "property_noise_at",
    "write_crystal_report",
    "write_report",
]
