"""What a dataset holds, how it is split, and how its energies are moved."""

import dataclasses
import importlib
import sys

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from ldosml.datasets import LDOSDataset, load_dataset
from ldosml.datasets.splits import group_folds, split_by_group

ENERGIES = np.linspace(-1.0, 1.0, 5)
PAIR = [Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]]), Atoms("SiC", positions=[[0, 0, 0], [0, 0, 1.9]])]


def from_pair(**changes):
    arguments = {"structures": PAIR, "energies": ENERGIES, "ldos": np.arange(20.0).reshape(4, 5)} | changes
    return LDOSDataset.from_arrays(arguments.pop("structures"), arguments.pop("energies"), **arguments)


class TestMaking:
    def test_properties_follow_the_atoms(self):
        data = from_pair()
        assert len(data) == 2
        assert_array_equal(data.n_atoms, [2, 2])
        assert_array_equal(data.structure_index, [0, 0, 1, 1])
        assert_array_equal(data.numbers, [14, 14, 14, 6])
        assert_array_equal(data.ldos.numbers, data.numbers)
        assert_allclose(data.dos.values, [[5, 7, 9, 11, 13], [25, 27, 29, 31, 33]])
        assert data.grid.zero == "fermi"
        assert data.smearing_width is None

    def test_defaults_say_not_known(self):
        data = from_pair()
        assert_array_equal(data.fermi_energy, [0, 0])
        assert np.isnan(data.n_electrons).all()
        assert np.isposinf(data.energy_max).all()
        assert data.groups == data.names == ["structure-0", "structure-1"]
        assert np.isnan(from_pair(zero="code").fermi_energy).all()

    def test_stored_dos_wins_over_the_sum(self):
        dos = np.full((2, 5), 7.0)
        data = from_pair(dos=dos)
        assert_array_equal(data.dos.values, dos)
        assert_allclose(data.dos.per_atom(), dos / 2)
        assert data.ldos.total().values[0, 0] == 5

    def test_dos_only(self):
        data = from_pair(ldos=None, dos=np.ones((2, 5)), smearing_width=0.2)
        assert data.ldos is None
        assert data.smearing_width == 0.2
        assert data.summary()["spectra"] == "DOS"

    def test_valence_of_each_element(self):
        assert_array_equal(from_pair(n_electrons={"Si": 4, "C": 6}).n_electrons, [8, 10])
        with pytest.raises(ValueError, match="lacks the valence of C"):
            from_pair(n_electrons={"Si": 4})

    def test_cannot_be_changed(self):
        data = from_pair()
        with pytest.raises(dataclasses.FrozenInstanceError):
            data.names = ["a", "b"]
        with pytest.raises(ValueError, match="read-only"):
            data.energy_max[0] = 1.0

    def test_later_changes_of_the_structures_do_not_reach_it(self):
        atoms = Atoms("Si")
        data = LDOSDataset.from_arrays([atoms], ENERGIES, ldos=np.ones((1, 5)))
        atoms.positions += 1
        assert data.structures[0].positions.sum() == 0

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"ldos": np.ones((3, 5))}, "ldos has 3 rows, but there are 4 atoms in 2 structures"),
            ({"ldos": np.ones((4, 6))}, r"ldos must have shape \(any, 5\)"),
            ({"dos": np.ones((4, 5))}, "dos has 4 rows, but there are 2 structures"),
            ({"ldos": np.full((4, 5), np.nan)}, "ldos must be finite; 20 entries"),
            ({"dos": np.full((2, 5), np.inf)}, "dos must be finite; 10 entries"),
            ({"projected_dos": np.ones((1, 5))}, "projected_dos has 1 rows"),
            ({"ldos": None}, "needs ldos, dos, or both"),
            ({"energies": ENERGIES**3}, "energies must ascend in equal steps"),
            ({"energies": np.ones((2, 5))}, r"one axis for all structures.*\(2, 5\)"),
            ({"structures": []}, "empty"),
            ({"structures": [PAIR[0], Atoms()], "ldos": np.ones((2, 5))}, "Expected atoms in structure 'structure-1'"),
            (
                {"structures": [PAIR[0], Atoms("Si2", positions=[[0, 0, 0], [0, np.nan, 0]])]},
                "positions of.*'structure-1'",
            ),
            ({"structures": [Atoms("Si4", cell=[1, 1, np.nan])]}, "cell of structure 'structure-0' must be finite"),
            ({"n_electrons": [8, -1]}, "n_electrons must be finite and not below 0.*-1.0 for structure 'structure-1'"),
            ({"n_electrons": [8, 8, 8]}, r"n_electrons must have shape \(2,\)"),
            ({"fermi_energy": [0, np.inf]}, "fermi_energy must be finite"),
            (
                {"ldos": np.eye(4, 5) * [1, 1, 1, 1e300, 1]},
                "ldos must be finite; .*'structure-1' has",
            ),
            ({"n_electrons": [8, 1e300]}, r"n_electrons must be finite, at most 1e\+09.*'structure-1'"),
            ({"energy_max": [5, np.nan]}, "energy_max must be finite.*'structure-1'"),
            ({"names": ["a", "a"]}, "names must be unique; 'a'"),
            ({"kinds": ["a"]}, "kinds must be a list of 2 texts"),
            ({"groups": [1, 2]}, "groups must be a list of 2 texts"),
            ({"provenance": {"date": object()}}, "provenance must hold only what JSON can"),
            ({"provenance": {"cutoff": np.nan}}, "provenance"),
            ({"smearing_width": -0.1}, "smearing_width must be a positive number of eV"),
            ({"zero": "zero"}, "zero of an EnergyGrid must be one of"),
            ({"fermi_energy": [0, 5.1]}, "every fermi_energy is 0; got 5.1 eV for structure 'structure-1'.*'code'"),
            ({"fermi_energy": -1e-8}, "every fermi_energy is 0; got -1e-08 eV for structure 'structure-0'"),
            ({"structures": [PAIR[0], Atoms("SiX")]}, "atom 1 of structure 'structure-1' has 0. Leave ghost atoms"),
            ({"kinds": "ab"}, "kinds must be a list of 2 texts.*got 'ab'"),
            ({"groups": "ab"}, "groups must be a list of 2 texts.*got 'ab'"),
            ({"names": "ab"}, "names must be a list of 2 texts.*got 'ab'"),
        ],
    )
    def test_bad_input_is_named(self, changes, message):
        with pytest.raises(ValueError, match=message):
            from_pair(**changes)

    def test_fermi_energy_where_it_is_the_zero(self):
        assert_array_equal(from_pair(fermi_energy=[0.0, 1e-10]).fermi_energy, [0, 1e-10])
        assert_array_equal(from_pair(fermi_energy=5.1, zero="code").fermi_energy, 5.1)

    @pytest.mark.parametrize("name", ["ldos", "dos", "projected_dos", "energies"])
    @pytest.mark.parametrize("dtype", ["complex128", "datetime64[s]", "bool", "object", "U3"])
    def test_only_real_numbers(self, name, dtype):
        values = (np.arange(5) if name == "energies" else np.ones((4 if name == "ldos" else 2, 5))).astype(int)
        with pytest.raises(TypeError, match=rf"{name} must be real numbers; got .*{dtype.replace('[', '.')[:3]}"):
            from_pair(**{name: values.astype(dtype)})

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"smearing_width": None}, "'smearing_width' of label_noise must be a list of finite numbers.*None"),
            ({"ldos": 0.1}, "'ldos' of label_noise must be a list of finite numbers, at least one; got 0.1"),
            ({"dos": []}, "'dos' of label_noise must be a list"),
            ({"dos": [0.1, "0.2"]}, "'dos' of label_noise must be a list of finite numbers"),
            ({"dos": [0.1, True]}, "'dos' of label_noise must be a list of finite numbers"),
            ({"dos": [0.1, np.inf]}, "label_noise must hold only what JSON can"),
            ({"ldos": [0.1]}, "lists of label_noise must have one length.*'ldos': 1, 'dos': 2"),
            ({"by_energy": [0.1]}, "'by_energy' of label_noise must have numbers start and step.*got .0.1"),
            ({"by_energy": {"start": -1, "step": 0}}, "got 'step': 0"),
            ({"by_energy": {"step": 1, "dos": [[0.1], [None]]}}, "got only 'step', 'dos'"),
            ({"by_energy": {"start": -1, "step": 1, "dos": [[0.1]]}}, "a list of 2 lists.*got 'dos': ..0.1"),
            ({"by_energy": {"start": -1, "step": 1, "dos": [[0.1], [0.1, 0.2]]}}, "all of one length; got 'dos'"),
            ({"by_energy": {"start": -1, "step": 1, "dos": [[0.1], ["a"]]}}, "of numbers or None.*got 'dos'"),
        ],
    )
    def test_label_noise(self, changes, message):
        noise = {"smearing_width": [0.2, 1], "ldos": [0.01, 0.02], "dos": [0.1, 0.2], "structures": ["a"]}
        noise["by_energy"] = {"start": -1, "step": 0.5, "dos": [[0.1, 0.2], [0.1, None]]}
        assert from_pair(label_noise=noise).label_noise == noise
        with pytest.raises(ValueError, match=message):
            from_pair(label_noise=noise | changes)

    def test_other_objects_are_not_structures(self):
        with pytest.raises(TypeError, match=r"must be ase.Atoms; got str for structure 'structure-1'"):
            from_pair(structures=[PAIR[0], "Si2"])

    def test_summary_and_repr(self, make_dataset):
        data = make_dataset()
        assert data.summary() == {
            "structures": 6,
            "environments": 13,
            "groups": 3,
            "kinds": {"even": 3, "odd": 3},
            "elements": {"C": 2, "Si": 11},
            "smallest_structure": 1,
            "largest_structure": 3,
            "spectra": "LDOS",
            "grid": "241 energies from -7 to 5 eV, step 0.05, zero: code",
            "smearing_width": 0.3,
        }
        for part in ("6 structures", "3 even, 3 odd", "3 groups", "13 environments of C, Si", "0.3 eV", "zero: code"):
            assert part in repr(data)


class TestSelecting:
    def test_everything_follows(self, make_dataset):
        data = make_dataset(total=False, projected_dos=np.arange(6)[:, None] * np.ones(241))
        part = data.select([4, 1])
        assert part.names == ["s4", "s1"]
        assert part.groups == ["g2", "g0"]
        assert part.kinds == ["even", "odd"]
        assert_array_equal(part.n_atoms, [2, 3])
        assert_array_equal(part.energy_max, data.energy_max[[4, 1]])
        assert_array_equal(part.fermi_energy, data.fermi_energy[[4, 1]])
        assert_array_equal(part.n_electrons, [4, 6])
        assert_array_equal(part.ldos.of_structure(1), data.ldos.of_structure(1))
        assert_array_equal(part.dos.values, data.dos.values[[4, 1]])
        assert_array_equal(part.projected_dos.values[:, 0], [4, 1])

    def test_masks_and_slices(self, make_dataset):
        data = make_dataset(total=True)
        assert data.select(data.n_atoms == 3).names == ["s1", "s5"]
        assert data.select(slice(1, 3)).names == ["s1", "s2"]
        assert_array_equal(data.select([-1]).dos.n_atoms, [3])

    def test_refusals(self, make_dataset):
        data = make_dataset()
        with pytest.raises(ValueError, match="empty"):
            data.select([])
        with pytest.raises(ValueError, match="unique"):
            data.select([1, 1])

    @pytest.mark.parametrize(
        ("indices", "error", "message"),
        [
            (3, TypeError, r"list of whole numbers, a mask or a slice; got 3. .* pass \[3\]"),
            ([0.0, 1.0], TypeError, r"list of whole numbers, a mask or a slice; got \[0.0, 1.0\]"),
            (["s1"], TypeError, "list of whole numbers"),
            ([[0, 1]], TypeError, "list of whole numbers"),
            ([0, 6], IndexError, "must lie in -6..5, for 6 structures; got 6"),
            ([-7], IndexError, "must lie in -6..5, for 6 structures; got -7"),
            ([True, False], ValueError, "mask must have one entry for each of the 6 structures; got 2"),
        ],
    )
    def test_indices_are_checked(self, make_dataset, indices, error, message):
        with pytest.raises(error, match=message):
            make_dataset().select(indices)


@st.composite
def grouped(draw, least_groups=2):
    """Kinds and groups of structures: groups of 1 to 4 of one of three kinds, in any order."""
    sizes = draw(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abc")), min_size=least_groups, max_size=30))
    members = [(kind, str(group)) for group, (size, kind) in enumerate(sizes) for _ in range(size)]
    order = draw(st.permutations(members))
    return [kind for kind, _ in order], [group for _, group in order]


class TestSplitting:
    @given(labels=grouped(), test_size=st.floats(0.05, 0.95), seed=st.integers(0, 99))
    @settings(deadline=None)
    def test_split(self, labels, test_size, seed):
        kinds, groups = labels
        train, test = split_by_group(kinds, groups, test_size, seed)
        assert sorted([*train, *test]) == list(range(len(kinds)))
        assert len(train)
        assert len(test)
        assert not {groups[i] for i in train} & {groups[i] for i in test}
        sizes = np.unique(groups, return_counts=True)[1]
        # Where a part would have been empty, one whole group had to be moved.
        moved = len(set(np.array(groups)[test])) == 1 or len(set(np.array(groups)[train])) == 1
        assert abs(len(test) - test_size * len(kinds)) <= sizes.max() * (1 if moved else 0.5) + 1e-9
        assert_array_equal(test, split_by_group(kinds, groups, test_size, seed)[1])

    @given(labels=grouped(least_groups=5), n_splits=st.integers(2, 4), seed=st.integers(0, 9))
    @settings(deadline=None)
    def test_folds(self, labels, n_splits, seed):
        kinds, groups = labels
        try:
            folds = group_folds(kinds, groups, n_splits, seed)
        except ValueError as error:
            assert "leave one fold empty" in str(error)  # noqa: PT017
            return
        assert len(folds) == n_splits
        assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(kinds)))
        for train, test in folds:
            assert sorted([*train, *test]) == list(range(len(kinds)))
            assert not {groups[i] for i in train} & {groups[i] for i in test}

    def test_every_kind_in_proportion(self):
        kinds = ["a"] * 60 + ["b"] * 30
        groups = [str(i // 3) for i in range(90)]
        _, test = split_by_group(kinds, groups, 0.2, 0)
        assert [sum(kinds[i] == kind for i in test) for kind in "ab"] == [12, 6]
        for _, test in group_folds(kinds, groups, 5, 0):
            assert [sum(kinds[i] == kind for i in test) for kind in "ab"] == [12, 6]

    def test_seed_matters(self):
        kinds, groups = ["a"] * 40, [str(i) for i in range(40)]
        tests = {tuple(split_by_group(kinds, groups, 0.25, seed)[1]) for seed in range(5)}
        assert len(tests) == 5
        assert {len(test) for test in tests} == {10}

    def test_dataset_split(self, make_dataset):
        train, test = make_dataset().split(test_size=1 / 3, random_state=1)
        assert (len(train), len(test)) == (4, 2)
        assert not set(train.groups) & set(test.groups)

    def test_too_few_groups(self, make_dataset):
        data = make_dataset()
        with pytest.raises(ValueError, match="n_splits must be at most the number of groups, 3; got 5"):
            data.folds(5)
        with pytest.raises(ValueError, match="at least 2 groups"):
            data.select([0, 1]).split()
        with pytest.raises(ValueError, match="test_size must be above 0 and below 1"):
            data.split(test_size=1.0)


class TestEnergies:
    def test_broadening_adds_widths(self, make_dataset):
        narrow = make_dataset(width=0.2)
        wide = narrow.broaden_to(0.35)
        exact = make_dataset(width=0.35)
        inside = slice(60, -60)  # 3 eV from the edges
        assert_allclose(wide.ldos.values[:, inside], exact.ldos.values[:, inside], atol=2e-5)
        assert wide.smearing_width == 0.35
        assert_allclose(wide.energy_max, narrow.energy_max - 0.45)

    def test_broadening_reaches_every_spectrum(self, make_dataset):
        data = make_dataset(total=True, width=0.2)
        both = dataclasses.replace(data, projected_dos=data.dos).broaden_to(0.4)
        assert_array_equal(both.dos.values, both.projected_dos.values)
        assert both.dos.smearing_width == both.projected_dos.smearing_width == 0.4
        with pytest.raises(ValueError, match="unknown width"):
            from_pair().broaden_to(0.5)

    @pytest.mark.parametrize(
        ("low", "high", "start", "stop"),
        [
            (-2.4, 1.0, -1.5, 0.1),  # 3 * sqrt(0.35**2 - 0.2**2) = 0.862 eV are lost where levels are cut through
            (-2.4, 5.0, -1.5, 5.0),
            (-7.0, 1.0, -7.0, 0.1),
        ],
    )
    def test_broadening_gives_up_what_the_cut_spoils(self, make_dataset, low, high, start, stop):
        whole = make_dataset(width=0.2, energy_max=None)
        wide = whole.refer_to("code", low=low, high=high).broaden_to(0.35)
        assert (wide.grid.start, wide.grid.stop) == (start, stop)
        right = whole.broaden_to(0.35).ldos.cut(start, stop).values
        assert_allclose(wide.ldos.values, right, atol=2e-3 * right.max())
        assert wide.dos.grid == wide.ldos.grid
        assert np.isposinf(wide.energy_max).all()

    def test_broadening_to_the_present_width_cuts_nothing(self, make_dataset):
        data = make_dataset().refer_to("code", low=-2.4, high=1.0)
        assert data.broaden_to(0.3).grid == data.grid

    def test_broadening_that_leaves_nothing(self, make_dataset):
        data = make_dataset(energy_max=None).refer_to("code", low=-2.4, high=1.0)
        with pytest.raises(ValueError, match=r"to 0.8 eV leaves nothing of .* -2.4 to 1 eV: 2.22 eV are lost"):
            data.broaden_to(0.8)

    @pytest.mark.parametrize(("width", "error"), [("0.3", TypeError), ([0.3], TypeError), (True, TypeError)])
    def test_width_is_a_number(self, make_dataset, width, error):
        with pytest.raises(error, match=r"^width must be a positive number of eV; got"):
            make_dataset().broaden_to(width)
        with pytest.raises(error, match=r"^smearing_width must be a positive number of eV; got"):
            make_dataset(smearing_width=width)

    @pytest.mark.parametrize("width", [np.nan, np.inf, -1.0, 0])
    def test_width_is_positive(self, make_dataset, width):
        with pytest.raises(ValueError, match=r"^width must be a positive number of eV; got"):
            make_dataset().broaden_to(width)

    @pytest.mark.parametrize("total", [False, True])
    def test_fermi_levels_coincide(self, make_dataset, total):
        moved = make_dataset(total=total).refer_to("fermi")
        assert moved.grid.zero == "fermi"
        exact = make_dataset.exact(moved, moved.grid.energies, 0.3)
        if total:
            exact = np.add.reduceat(exact, [0, 2, 5, 6, 8, 10])
            assert_allclose(moved.dos.values, exact, atol=1e-4)
        else:
            assert_allclose(moved.ldos.values, exact, atol=1e-4)
        assert_array_equal(moved.fermi_energy, 0)
        assert_allclose(moved.energy_max, 3 + 0.01 * np.arange(6))

    def test_default_range(self, make_dataset):
        data = make_dataset()
        moved = data.refer_to()
        assert moved.grid.stop == 3.0  # the least energy_max
        total = make_dataset.exact(data, np.arange(-700, 300) / 100, 0.3)
        total = np.add.reduceat(total, [0, 2, 5, 6, 8, 10])
        onset = min(np.arange(-700, 300)[np.argmax(row > 1e-4 * row.max())] / 100 for row in total)
        assert onset - 0.9 - 0.11 < moved.grid.start <= onset - 0.9 + 0.05
        assert_allclose(moved.grid.start / 0.05, round(moved.grid.start / 0.05))  # zero is one of the energies
        assert 0.0 in moved.grid.energies

    def test_default_range_keeps_unsmeared_states(self):
        """The first cell of a DOS that begins at once, and the ringing of the spline below it, belong to the count."""
        energies = np.round(np.arange(-20, 8, 0.05), 10)
        ellipse = [
            np.sqrt(np.clip(1 - ((energies - shift + 4) / 4) ** 2, 0, None))
            + np.sqrt(np.clip(1 - ((energies - shift - 5) / 2) ** 2, 0, None))
            for shift in (0.0, 0.313, -0.77)
        ]
        levels = np.array([0.0, 0.313, -0.77]) + 1.5
        whole = LDOSDataset.from_arrays(
            [Atoms("H")] * 3, energies, dos=np.array(ellipse), zero="code", fermi_energy=levels
        )
        for zero in ("code", "fermi"):
            moved = whole.refer_to(zero)
            for row, before, level in zip(moved.dos.values, ellipse, levels, strict=True):
                below = moved.grid.energies < (0.0 if zero == "fermi" else level)
                found = np.trapezoid(row * below, moved.grid.energies)
                assert found == pytest.approx(np.trapezoid(before * (energies < level), energies), abs=1e-6)

    def test_asked_range(self, make_dataset):
        moved = make_dataset().refer_to("fermi", low=-4.0, high=2.0)
        assert (moved.grid.start, moved.grid.stop, moved.grid.size) == (-4.0, 2.0, 121)

    def test_incomplete_dos_is_refused(self, make_dataset):
        data = make_dataset(energy_max=[4, 4, 2.5, 4, 4, 4.0])  # the Fermi level of s2 is 0.2 eV
        with pytest.raises(ValueError, match=r"high must be at most 2\.3 eV.*'s2'.*got 2\.4 eV"):
            data.refer_to(high=2.4)
        assert data.refer_to(high=2.3).grid.stop == 2.3

    def test_below_the_stored_energies_is_refused(self, make_dataset):
        with pytest.raises(ValueError, match=r"low must be at least -6\.6 eV.*'s0'.*got -9 eV"):
            make_dataset().refer_to(low=-9)

    @pytest.mark.parametrize("zero", ["fermi", "code"])
    def test_a_range_upside_down_is_refused(self, make_dataset, zero):
        for low, high in ((2.0, -4.0), (1.0, 1.0)):
            with pytest.raises(ValueError, match=f"low must be below high; got {low:g} and {high:g} eV"):
                make_dataset().refer_to(zero, low, high)
        for bounds in ({"low": 1.0, "high": 1.02}, {"high": -6.5}):
            with pytest.raises(ValueError, match=rf"to high = {bounds['high']:g} eV there are not two energies, 0.05"):
                make_dataset().refer_to(zero, **bounds)

    def test_lost_states_are_refused(self, make_dataset):
        data = make_dataset()
        late = dataclasses.replace(data, fermi_energy=[-5.5, *data.fermi_energy[1:]])
        with pytest.raises(ValueError, match=r"'s0' begin at -1.5 eV.*first states of structure 's5'"):
            late.refer_to()
        assert late.refer_to(low=-1.0).grid.start == -1.0

    def test_same_zero_is_cut_only(self, make_dataset):
        moved = make_dataset().refer_to()
        again = moved.refer_to("fermi", high=1.0)
        assert again.grid.stop == 1.0
        assert_array_equal(again.ldos.values, moved.ldos.values[:, : again.grid.size])
        other = make_dataset().refer_to("code", low=-3.0, high=1.0)
        assert_array_equal(other.fermi_energy, make_dataset().fermi_energy)
        assert_array_equal(other.ldos.values, make_dataset().ldos.cut(-3.0, 1.0).values)

    def test_other_zeros(self, make_dataset):
        data = make_dataset()
        moved = data.refer_to("vacuum", zeros=data.fermi_energy + 0.5)
        assert_allclose(moved.fermi_energy, -0.5)
        assert_allclose(moved.ldos.values, make_dataset.exact(moved, moved.grid.energies + 0.5, 0.3), atol=1e-4)
        with pytest.raises(ValueError, match="zero cannot be 'vacuum'"):
            data.refer_to("vacuum")
        with pytest.raises(ValueError, match="fermi_energy of structure 's1' is not known"):
            dataclasses.replace(data, fermi_energy=[0, np.nan, 0, 0, 0, 0]).refer_to()

    def test_no_common_energies(self, make_dataset):
        data = make_dataset(energy_max=[-6.9, 4, 4, 4, 4, 4])
        with pytest.raises(ValueError, match="share no energies"):
            data.refer_to()


class TestJoining:
    def test_rows_follow(self, make_dataset):
        whole = make_dataset((2, 3, 1, 2))
        parts = [make_dataset((2, 3)), make_dataset((1, 2), start=2)]
        joined = LDOSDataset.concatenate(parts)
        assert_allclose(joined.ldos.values, whole.ldos.values, atol=1e-12)
        assert_array_equal(joined.structure_index, whole.structure_index)
        assert_array_equal(joined.fermi_energy, whole.fermi_energy)
        assert joined.names == whole.names
        assert joined.groups == ["g0", "g0", "g1", "g1"]
        assert joined.provenance == whole.provenance
        assert parts[0].append(parts[1]).names == whole.names

    def test_different_origins_are_kept(self, make_dataset):
        a, b, c = (make_dataset((1,), start=i, provenance={"code": str(i)}) for i in range(3))
        assert a.append(b).append(c).provenance == {"parts": [{"code": "0"}, {"code": "1"}, {"code": "2"}]}

    def test_label_noise_must_agree(self, make_dataset):
        noise = {"smearing_width": [0.3], "ldos": [0.01], "dos": [0.02]}
        a, b = (make_dataset((1,), start=i, label_noise=noise) for i in range(2))
        assert a.append(b).label_noise == noise
        assert a.append(make_dataset((1,), start=1)).label_noise is None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"zero": "vacuum"}, "zero differs: 'code' and 'vacuum'"),
            ({"step": 0.1}, "grid differs"),
            ({"stop": 4.0}, "grid differs"),
            ({"smearing_width": 0.4}, "smearing_width differs: 0.3 and 0.4"),
            ({"smearing_width": None}, "smearing_width differs"),
            ({"total": True}, "ldos differs"),
            ({"names": ["s0"]}, "names must be unique; 's0'"),
        ],
    )
    def test_differences_are_named(self, make_dataset, options, message):
        with pytest.raises(ValueError, match=message):
            make_dataset((2,)).append(make_dataset((1,), **({"start": 1} | options)))

    def test_zeros_of_two_codes_are_different(self, make_dataset):
        vasp, espresso = (
            make_dataset((1,), start=i, provenance={"runs": [{"code": code}]})
            for i, code in enumerate(("VASP 6.4.1", "Quantum ESPRESSO 7.0"))
        )
        with pytest.raises(ValueError, match="zero differs: it is the code's own, of VASP and of Quantum ESPRESSO"):
            vasp.append(espresso)
        newer = make_dataset((1,), start=2, provenance={"code": "VASP 6.5"})
        with pytest.raises(ValueError, match="zero differs"):
            vasp.append(newer).append(espresso)
        one, other = (data.refer_to("fermi", -2.0, 2.0) for data in (vasp, espresso))
        assert one.append(other).grid.zero == "fermi"

    def test_nothing_to_join(self):
        with pytest.raises(ValueError, match="datasets is empty"):
            LDOSDataset.concatenate([])


class TestLeadingOut:
    def test_ase(self, make_dataset):
        data = make_dataset()
        frames = data.to_ase()
        assert_array_equal(frames[1].arrays["ldos"], data.ldos.of_structure(1))
        assert_array_equal(frames[1].info["dos"], data.dos.values[1])
        assert_array_equal(frames[1].info["energies"], data.grid.energies)
        assert frames[1].info["group"] == "g0"
        assert "ldos" not in data.structures[1].arrays

    def test_xarray(self, make_dataset):
        pytest.importorskip("xarray")
        data = make_dataset()
        out = data.to_xarray()
        summed = out.ldos.groupby("structure_index").sum()
        assert_allclose(summed.values, out.dos.values)
        assert out.dos.sel(structure="s3", energy=0.0, method=None).item() == data.dos.values[3, 140]
        assert out.energy.attrs == {"units": "eV", "zero": "code"}
        assert out.sizes == {"structure": 6, "environment": 13, "energy": 241, "axis": 3, "vector": 3}

    def test_pymatgen(self, make_dataset):
        pytest.importorskip("pymatgen.core")
        data = make_dataset()
        with pytest.raises(ValueError, match="'s0' is not periodic"):
            data.to_pymatgen()
        structure, dos = data.select([1]).to_pymatgen()[0]
        assert_allclose(structure.cart_coords, data.structures[1].positions)
        assert structure.composition.reduced_formula == "Si2C"
        assert_allclose(structure.site_properties["ldos"], data.ldos.of_structure(1))
        assert_array_equal(dos.get_densities(), data.dos.values[1])
        assert dos.efermi == data.fermi_energy[1]

    @pytest.mark.parametrize(("method", "module"), [("to_xarray", "xarray"), ("to_pymatgen", "pymatgen.core.lattice")])
    def test_missing_package_names_the_extra(self, make_dataset, monkeypatch, method, module):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=rf"{module.split('.')[0]} is not installed.*ldosml\[dft\]"):
            getattr(make_dataset(), method)()


class TestShipped:
    def test_by_name(self, make_dataset, tmp_path, monkeypatch):
        shipped = importlib.import_module("ldosml._shipped")
        monkeypatch.setattr(shipped, "_folders", lambda: [tmp_path])
        make_dataset().save(tmp_path / "toy.h5")
        assert load_dataset("toy").names == make_dataset().names
        assert load_dataset("toy", smearing_width=0.5).smearing_width == 0.5
        with pytest.raises(ValueError, match=r"No dataset 'gold'.*available: toy"):
            load_dataset("gold")
        with pytest.raises(ValueError, match=r"No dataset '\.\./toy'"):
            load_dataset("../toy")

    def test_folder_is_there(self):
        shipped = importlib.import_module("ldosml._shipped")
        assert any((folder / "scripts").is_dir() or any(folder.glob("*.h5")) for folder in shipped._folders())


def test_a_dataset_shares_nothing_that_the_caller_can_change(make_dataset):
    atoms, values = Atoms("Si", cell=[5, 5, 5], pbc=True), np.ones((1, 11))
    given = {"parts": {"code": "x"}}
    data = LDOSDataset.from_arrays([atoms], np.linspace(-1, 1, 11), ldos=values, provenance=given)
    values[:], given["parts"]["code"] = 7, "y"
    assert data.ldos.values.max() == 1
    assert data.provenance == {"parts": {"code": "x"}}
    for array in (data.ldos.values, data.dos.values, data.n_electrons, data.ldos.structure_index):
        assert not array.flags.writeable


def test_names_with_nul_and_texts_for_numbers_are_named():
    atoms, arguments = Atoms("Si", cell=[5, 5, 5]), (np.linspace(-1, 1, 11),)
    with pytest.raises(ValueError, match="groups must not hold the character NUL"):
        LDOSDataset.from_arrays([atoms], *arguments, ldos=np.ones((1, 11)), groups=["a\0"])
    with pytest.raises(TypeError, match="fermi_energy must be real numbers"):
        LDOSDataset.from_arrays([atoms], *arguments, ldos=np.ones((1, 11)), fermi_energy="deep", zero="code")
