"""Places in the periodic table, and features that follow from them."""

import pytest
from ase.data import atomic_numbers
from neural_cases import torch
from numpy.testing import assert_allclose, assert_array_equal

from ldosml.neural.elements import ElementEmbedding, atomic_levels, periodic_table

GROUPS = ("H Li Na K Rb Cs", "Be Mg Ca Sr Ba", "Sc Y Lu", "Cu Ag Au", "Zn Cd Hg", "B Al Ga In Tl", "F Cl Br I", "Ne Ar")
ROWS = ("H He", "Li B Ne", "Na Ar", "K Zn Kr", "Rb In Xe", "Cs La Lu Hg Rn")


def numbers(symbols):
    return [atomic_numbers[symbol] for symbol in symbols.split()]


class TestTable:
    @pytest.mark.parametrize(("lines", "place"), [(GROUPS, slice(0, 32)), (ROWS, slice(32, 39))])
    def test_columns_and_rows(self, lines, place):
        table = periodic_table()[:, place]
        found = [{int(table[z].argmax()) for z in numbers(line)} for line in lines]
        assert all(len(places) == 1 for places in found)
        assert len(set.union(*found)) == len(lines)
        assert_array_equal(table[1:].sum(dim=1), 1.0)

    def test_subshells_hold_the_electrons_beyond_the_noble_gas(self):
        filled = periodic_table()[:, 39:43] * torch.tensor([2.0, 6.0, 10.0, 14.0])
        for symbol, expected in {
            "Si": (2, 2, 0, 0),
            "Ti": (2, 0, 2, 0),
            "Br": (2, 5, 10, 0),
            "Hf": (2, 0, 2, 14),
        }.items():
            assert_allclose(filled[atomic_numbers[symbol]], expected, atol=1e-5)


class TestLevels:
    def test_valence_shells_are_where_they_belong(self):
        levels = atomic_levels()
        energy = {
            (symbol, shell): float(levels[atomic_numbers[symbol], 3 * place])
            for symbol in ("Na", "Cl", "Si", "Ti", "Zn")
            for place, shell in enumerate("spd")
        }
        assert energy["Cl", "s"] < energy["Cl", "p"] < energy["Na", "s"] < 0  # why salt is one
        assert energy["Si", "s"] < energy["Si", "p"]
        assert energy["Zn", "d"] < energy["Ti", "d"]
        assert_array_equal(levels[atomic_numbers["Si"], 6:], 0.0)  # no bound d

    def test_every_element_of_the_shipped_crystals_has_some(self):
        from ldosml.datasets import load_crystals

        has = atomic_levels()[:, [1, 4, 7]].sum(dim=1)
        assert all(has[atomic_numbers[symbol]] > 0 for symbol in load_crystals().elements)


class TestEmbedding:
    def test_an_element_not_seen_is_its_place(self):
        torch.manual_seed(0)
        features = ElementEmbedding(8, periodic=True)
        values = features(torch.arange(119))
        assert torch.pdist(values[1:]).min() > 1e-3  # no two are the same
        # Sodium is nearer to potassium than to chlorine, before anything is learned.
        sodium, potassium, chlorine = (values[atomic_numbers[symbol]] for symbol in ("Na", "K", "Cl"))
        assert (sodium - potassium).norm() < (sodium - chlorine).norm()

    def test_without_the_table_they_are_random(self):
        torch.manual_seed(0)
        assert_allclose(ElementEmbedding(64, periodic=False)(torch.arange(119)).std().item(), 1.0, atol=0.05)
