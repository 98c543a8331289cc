"""Datasets of different smearing, zero of energy and grid, brought to common ground and joined."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ldosml.datasets import CommonGroundWarning, LDOSDataset, join_alike, make_alike

pytestmark = pytest.mark.filterwarnings("ignore::ldosml.datasets.CommonGroundWarning")


def parts(make_dataset, second=None, first=None):
    """Two datasets whose structures do not overlap, each with its own options."""
    return [make_dataset((2, 3), **(first or {})), make_dataset((1, 2), start=2, **(second or {}))]


def test_datasets_that_are_alike_are_joined_as_they_are(make_dataset):
    both = parts(make_dataset)
    joined, expected = join_alike(both), LDOSDataset.concatenate(both)
    assert_array_equal(joined.ldos.values, expected.ldos.values)
    assert (joined.grid, joined.names, joined.groups) == (expected.grid, expected.names, expected.groups)
    assert_array_equal(joined.energy_max, expected.energy_max)


@pytest.mark.parametrize(("asked", "width"), [(None, 0.5), (0.6, 0.6)])
def test_the_widest_smearing_or_a_wider_one(make_dataset, asked, width):
    joined = join_alike(parts(make_dataset, {"width": 0.5}), asked)
    assert joined.smearing_width == width
    moved = joined.refer_to("fermi")
    assert_allclose(moved.ldos.values, make_dataset.exact(moved, moved.grid.energies, width), atol=2e-4)
    # What sinks with the smearing sinks for those that were broadened only.
    assert_allclose(joined.energy_max[:2], make_dataset((2, 3)).energy_max - 3 * (width - 0.3))
    assert_allclose(joined.energy_max[2:], make_dataset((1, 2), start=2).energy_max - 3 * (width - 0.5))


def test_different_zeros_meet_at_the_fermi_level(make_dataset):
    one, other = parts(make_dataset)
    other = other.refer_to("fermi", -6.0, 2.5)
    joined = join_alike([one, other])
    assert joined.grid.zero == "fermi"
    assert (joined.grid.start, joined.grid.stop) == (-6.0, 2.5)
    assert_array_equal(joined.fermi_energy, 0.0)
    assert_allclose(joined.ldos.values, make_dataset.exact(joined, joined.grid.energies, 0.3), atol=1e-4)
    again = join_alike([one, other], zero="fermi")
    assert_array_equal(again.ldos.values, joined.ldos.values)
    with pytest.raises(
        ValueError, match=r"cannot be 'code': the energies of dataset 2 are relative to 'fermi'.*leave dataset 2 out"
    ):
        join_alike([one, other], zero="code")


def test_a_zero_that_cannot_be_found_is_named(make_dataset):
    one, other = parts(make_dataset)
    one = dataclasses.replace(one, fermi_energy=[0.1, np.nan])
    with pytest.raises(
        ValueError, match=r"a\.h5 are relative to 'code'.*the Fermi energy of its structure 's1' is not known"
    ):
        join_alike([one, other.refer_to("fermi")], labels=["a.h5", "b.h5"])
    assert join_alike([one, other]).grid == one.grid  # where nothing has to move


def test_energies_that_all_have_are_kept(make_dataset):
    one, other = parts(make_dataset, {"stop": 4.0})
    joined = join_alike([one, other])
    assert (joined.grid.start, joined.grid.stop) == (-7.0, pytest.approx(2.6))  # the lowest energy_max
    assert_array_equal(joined.ldos.values[:5], one.ldos.cut(-7.0, 2.6).values)


def test_the_coarser_step_where_it_tells_all(make_dataset):
    one, other = parts(make_dataset, {"step": 0.1})
    joined = join_alike([one, other])
    assert joined.grid.step == pytest.approx(0.1)
    moved = joined.refer_to("fermi")
    assert_allclose(moved.ldos.values, make_dataset.exact(moved, moved.grid.energies, 0.3), atol=1e-3)
    assert make_alike([other, one])[1].grid.matches(joined.grid)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.2}, "interpolated to steps of 0.2 eV, which loses nothing only where the smearing is 0.4 eV"),
        ({"step": 0.1, "smearing_width": None}, "smearing_width differs: b does not state it"),
        ({"total": True}, "ldos differs"),
        ({"names": ["s0", "s9"]}, "names must be unique"),
        ({"energy_max": -6.95, "stop": 4.0}, "share no energies .*: a, -7 to .*; b, -7 to -6.95"),
    ],
)
def test_what_would_lose_something_is_refused(make_dataset, options, message):
    with pytest.raises(ValueError, match=message):
        join_alike(parts(make_dataset, options), labels=["a", "b"])


def test_broadening_makes_a_coarse_step_good_enough(make_dataset):
    joined = join_alike(parts(make_dataset, {"step": 0.2}), 0.4)
    assert joined.grid.step == pytest.approx(0.2)


def test_states_below_the_energies_of_another_are_not_lost(make_dataset):
    one, other = parts(make_dataset)
    short = other.refer_to("fermi", -1.0, 2.5)
    with pytest.raises(
        ValueError, match=r"b begin at -1 eV.*first states of structure 's1' of a at -3.*cut off all states below -1 eV"
    ):
        join_alike([one, short], labels=["a", "b"])
    assert join_alike([one.refer_to("fermi", -1.0, 2.5), short]).grid.start == -1.0


def test_a_width_below_the_stored_one(make_dataset):
    with pytest.raises(ValueError, match=r"dataset 2: Cannot broaden to 0\.4 eV: the spectra are 0\.5 eV wide already"):
        join_alike(parts(make_dataset, {"width": 0.5}), 0.4)


def test_unknown_smearing_joins_its_like_only(make_dataset):
    unknown = {"smearing_width": None}
    joined = join_alike(parts(make_dataset, unknown, unknown))
    assert joined.smearing_width is None
    with pytest.raises(ValueError, match="it is not known"):
        join_alike(parts(make_dataset, unknown | {"step": 0.1}, unknown))


def test_label_noise_is_kept_where_all_agree(make_dataset):
    noise = {"smearing_width": [0.3, 0.5], "ldos": [0.02, 0.01], "dos": [0.02, 0.01]}
    same = parts(make_dataset, {"label_noise": noise, "width": 0.5}, {"label_noise": noise})
    assert join_alike(same).label_noise == noise
    assert join_alike([same[0], make_dataset((1, 2), start=2)]).label_noise is None


def test_no_dataset():
    with pytest.raises(ValueError, match="datasets is empty"):
        make_alike([])


@pytest.mark.parametrize(
    ("codes", "zero"),
    [
        (("VASP 6.4", "VASP 5.4.4"), "code"),
        (("VASP 6.4", "Quantum ESPRESSO 7.2"), "fermi"),
        (("Quantum ESPRESSO 7.2", None), "fermi"),
        ((None, None), "fermi"),
    ],
)
def test_zeros_of_two_codes_are_two(make_dataset, codes, zero):
    given = [
        dataclasses.replace(data, provenance={} if code is None else {"code": code})
        for data, code in zip(parts(make_dataset, {"stop": 4.0}), codes, strict=True)
    ]
    assert {data.grid.zero for data in given} == {"code"}
    assert join_alike(given).grid.zero == zero
    if zero == "fermi" and None not in codes:
        with pytest.raises(ValueError, match="zero differs: it is the code's own, of VASP and of Quantum ESPRESSO"):
            join_alike(given, zero="code")
    else:
        assert join_alike(given, zero="code").grid.zero == "code"


def test_energies_that_are_cut_off_are_told(make_dataset):
    one, other = parts(make_dataset)
    short = other.refer_to("code", high=1.0)
    with pytest.warns(CommonGroundWarning, match=r"cut off \(zero: code\): long from \d\.\d to 1\.0 eV"):
        joined = join_alike([one, short], labels=["long", "short"])
    assert joined.grid.stop == pytest.approx(1.0)


def test_label_noise_that_is_lost_is_told(make_dataset):
    noise = {"smearing_width": [0.3], "ldos": [0.02], "dos": [0.02]}
    with pytest.warns(CommonGroundWarning, match="have different label noise"):
        assert join_alike(parts(make_dataset, {"label_noise": noise})).label_noise is None


def test_parts_of_one_dataset_keep_their_zero(make_dataset):
    whole = dataclasses.replace(make_dataset(), provenance={"script": "mine.py"})
    train, test = whole.select([0, 1, 2]), whole.select([3, 4, 5])
    assert join_alike([train, test]).grid.zero == "code"
    unknown = [dataclasses.replace(part, fermi_energy=np.full(3, np.nan), provenance={}) for part in (train, test)]
    assert join_alike(unknown).grid.zero == "code"
