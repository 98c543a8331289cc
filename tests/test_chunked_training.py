"""Fits whose descriptors lie on disk: the same models, whatever was interrupted; other folders are refused."""

import shutil

import numpy as np
import pytest
from sklearn.base import clone

from ldosml import SOAP, DOSModel, Joined, LDOSRidge, Precomputed, SparseLDOSKernelRidge, Whitened
from ldosml.chunked_training import fitting_structures
from ldosml.descriptors import soap

SMALL = SOAP(r_cut=3.5, n_max=3, l_max=2)
SPARSE = SparseLDOSKernelRidge(n_inducing={6: 2, 14: 4}, alphas=[1e-3, 1e-1], chunk_size=7)


@pytest.fixture
def data(make_dataset):
    sizes = (2, 3, 2, 2, 3, 2, 3, 2, 2, 3)
    return make_dataset(sizes, groups=[f"g{i // 2}" for i in range(len(sizes))], stop=8.0)


def model(learn="ldos", descriptor=SMALL, **options):
    return DOSModel(clone(descriptor), clone(SPARSE).set_params(learn=learn, **options), low=-4, high=2)


@pytest.mark.parametrize("descriptor", [SMALL, Whitened(SMALL)], ids=["SOAP", "whitened"])
@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
def test_it_is_the_fit_in_memory(data, tmp_path, learn, descriptor):
    """All environments are points, since chunks are shown to the choice of some in another order."""
    options = {"learn": learn, "descriptor": descriptor, "n_inducing": "all"}
    expected = model(**options).fit(data)
    streamed = model(**options).fit_stream(data, tmp_path / "work")
    assert len(list((tmp_path / "work" / "chunks").glob("chunk-*.h5"))) > 2
    assert streamed.training_ == expected.training_
    np.testing.assert_allclose(
        streamed.regressors_[14].cv_errors_, expected.regressors_[14].cv_errors_, rtol=1e-6, atol=1e-9
    )
    structures = data.structures[:3]
    np.testing.assert_allclose(streamed.predict(structures).values, expected.predict(structures).values, atol=1e-6)


@pytest.mark.parametrize("learn", ["ldos", "dos"])
def test_it_goes_on_where_it_was_interrupted(data, tmp_path, monkeypatch, learn):
    whole = model(learn).fit_stream(data, tmp_path / "whole").predict(data.structures).values
    original, left = soap.SOAP.transform, [4]  # one call fits nothing, each chunk takes one

    def failing(self, structures):
        left[0] -= 1
        if left[0] < 0:
            raise OSError("No space left on device")
        return original(self, structures)

    with monkeypatch.context() as patch:
        patch.setattr(soap.SOAP, "transform", failing)
        with pytest.raises(OSError, match="No space left"):
            model(learn).fit_stream(data, tmp_path / "work")
    done = sorted((tmp_path / "work" / "chunks").glob("chunk-*.h5"))
    assert done
    stamps = [path.stat().st_mtime_ns for path in done]
    again = model(learn).fit_stream(data, tmp_path / "work")
    assert [path.stat().st_mtime_ns for path in done] == stamps
    np.testing.assert_array_equal(again.predict(data.structures).values, whole)
    # The sums are there as well: a third call reads them.
    with monkeypatch.context() as patch:
        patch.setattr(soap.SOAP, "transform", lambda *_: pytest.fail("described again"))
        third = model(learn).fit_stream(data, tmp_path / "work")
    np.testing.assert_array_equal(third.predict(data.structures).values, whole)


def test_another_number_of_processes_is_the_same_fit(data, tmp_path):
    one, two = (model(descriptor=Joined([clone(SMALL), clone(SMALL)], n_jobs=n_jobs)) for n_jobs in (None, 1))
    first = one.fit_stream(data, tmp_path / "work").predict(data.structures)
    again = two.fit_stream(data, tmp_path / "work").predict(data.structures)
    np.testing.assert_array_equal(again.values, first.values)


def test_a_folder_of_something_else_is_refused(data, tmp_path):
    model().fit_stream(data, tmp_path / "work")
    for other, changed in [
        (model(learn="dos"), "learn, .*differ|learn differ"),
        (model(descriptor=SOAP(r_cut=4.0, n_max=3, l_max=2)), "descriptor differ"),
        (model(chunk_size=9), "chunk_size differ"),
        (model().set_params(high=1.0), "training differ"),
    ]:
        with pytest.raises(ValueError, match=f"belongs to another fit: {changed}"):
            other.fit_stream(data, tmp_path / "work")
    with pytest.raises(ValueError, match="training differ"):
        model().fit_stream(data, tmp_path / "work", groups=range(len(data)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds files, but no training data"):
        model().fit_stream(data, tmp_path / "full")
    with pytest.raises(FileExistsError, match="is a file; give a folder"):
        model().fit_stream(data, tmp_path / "full" / "thesis.txt")
    (tmp_path / "work" / "training.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        model().fit_stream(data, tmp_path / "work")


def test_a_damaged_chunk_is_named(data, tmp_path):
    model().fit_stream(data, tmp_path / "work")
    for sums in (tmp_path / "work").glob("sums-*"):
        sums.unlink()
    chunk = tmp_path / "work" / "chunks" / "chunk-00001.h5"
    shutil.copy(chunk.with_name("chunk-00000.h5"), chunk)
    with pytest.raises(ValueError, match=r"chunk-00001\.h5 is truncated, damaged or misplaced"):
        model().fit_stream(data, tmp_path / "work")


def test_memory_grows_with_other_regressors(data, tmp_path):
    with pytest.raises(TypeError, match="needs a SparseLDOSKernelRidge as the regressor; got LDOSRidge"):
        DOSModel(SMALL, LDOSRidge(1e-3)).fit_stream(data, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_descriptor_is_fitted_by_some_structures_of_every_element(data):
    some = fitting_structures(data.structures, limit=6)
    assert len(some) < len(data)
    assert set().union(*(set(a.symbols) for a in some)) == set().union(*(set(a.symbols) for a in data.structures))
    assert fitting_structures(data.structures) == data.structures


def test_descriptors_that_changed_are_noticed(data, tmp_path):
    """Those that the structures bring along are no part of numbers and positions."""

    def bringing(seed):
        copies = data.to_ase()
        rng = np.random.default_rng(seed)
        for atoms in copies:
            atoms.set_array("mine", rng.normal(size=(len(atoms), 3)))
        return copies

    carried = model(descriptor=Precomputed("mine"))
    ldos, groups = data.refer_to("fermi", -4, 2).ldos, data.groups
    first = carried.fit_stream(bringing(0), tmp_path / "work", ldos, groups=groups).predict(bringing(0)).values
    again = carried.fit_stream(bringing(0), tmp_path / "work", ldos, groups=groups).predict(bringing(0)).values
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match="belongs to another fit: training differ"):
        carried.fit_stream(bringing(1), tmp_path / "work", ldos, groups=groups)


def test_another_choice_of_alpha_is_named(data, tmp_path):
    model().fit_stream(data, tmp_path / "work")
    with pytest.raises(ValueError, match="alpha='leave-one-group-out' was True and is False"):
        model(alpha=1e-3).fit_stream(data, tmp_path / "work")
