"""Alloy surfaces that others computed: what is learned of one alloy carries over to another."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from ldosml import SOAP, LDOSKernelRidge, LDOSRidge
from ldosml.properties import d_band_center


@pytest.fixture(scope="module")
def alloy_slabs():
    """The benchmark, whose folds and features these are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
        yield importlib.import_module("alloy_slabs")


@pytest.fixture(scope="module")
def slabs(real_data, alloy_slabs):
    return alloy_slabs.read(real_data / "alloy_slab_ddos")


def test_the_nine_atoms_of_a_top_layer_are_alike(slabs):
    some = slabs.fragments[: 9 * 15]
    X = SOAP(r_cut=4.0, n_max=4, l_max=3).fit_transform(some).reshape(15, 9, -1)
    assert np.ptp(X, axis=1).max() < 1e-6
    assert np.ptp(X, axis=0).max() > 1e-2


def test_d_band_centers_agree_with_the_stored(slabs):
    np.testing.assert_allclose(d_band_center(slabs.dos), slabs.center, rtol=0, atol=0.003)


@pytest.mark.filterwarnings("ignore::ldosml.properties.NegativeDOSWarning")
@pytest.mark.parametrize(("kind", "most"), [("alloys", 0.08), ("second layer", 0.09)])
def test_numbers_of_elements_carry_over(alloy_slabs, slabs, kind, most):
    """To alloys, or elements, that were left out: at most half the error of the mean curve of the host, 0.23 eV."""
    host = 1.0 * (slabs.host[:, None] == np.unique(slabs.host))
    left_out, folds = alloy_slabs.all_folds(slabs)[kind]
    kernel = LDOSKernelRidge("leave-one-group-out", kernel="matern", gamma=0.03)
    methods = ([host], [LDOSRidge(1e-9)]), (alloy_slabs.number_blocks(slabs.fragments[::9]), [kernel])
    mean, learned = (np.abs(alloy_slabs.evaluate(slabs, *method, left_out, folds)[0]).mean() for method in methods)
    assert learned < most
    assert learned < 0.5 * mean
