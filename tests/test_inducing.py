"""Choice of inducing points against brute force, scikit-matter and the guarantees of the algorithms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldosml import inducing

RNG = np.random.default_rng(3)
X = RNG.normal(size=(90, 7)) * 0.8 ** np.arange(7)
SPECIES = np.repeat([6, 14, 32], [5, 60, 25])[RNG.permutation(90)]


def distances(A, B):
    return np.linalg.norm(A[:, None] - B[None], axis=2)


def farthest_by_brute_force(X, n, start):
    rows = [start]
    while len(rows) < n:
        rows.append(int(np.argmax(distances(X, X[rows]).min(axis=1))))
    return rows


def cur_by_brute_force(X, n):
    """Deflate X itself and decompose it anew at every step (Imbalzano et al., 2018)."""
    rest, rows = X.copy(), []
    while len(rows) < n:
        leverage = np.linalg.svd(rest, full_matrices=False)[0][:, 0] ** 2
        leverage[rows] = -1
        rows.append(int(np.argmax(leverage)))
        point = rest[rows[-1]] / np.linalg.norm(rest[rows[-1]])
        rest = rest - np.outer(rest @ point, point)
    return rows


@pytest.mark.parametrize("start", [0, 17, "outermost"])
def test_farthest_points_equal_brute_force(xp, start):
    first = int(np.argmax(np.linalg.norm(X - X.mean(axis=0), axis=1))) if start == "outermost" else start
    chosen = inducing.farthest_points(xp.asarray(X), 30, start=start)
    assert chosen.tolist() == farthest_by_brute_force(X, 30, first)


def test_cur_equals_brute_force(xp):
    assert inducing.cur_points(xp.asarray(X), 7).tolist() == cur_by_brute_force(X, 7)


def test_points_equal_those_of_scikit_matter():
    selection = pytest.importorskip("skmatter.sample_selection", reason="scikit-matter is not installed")
    expected = selection.FPS(n_to_select=40, initialize=5).fit(X).selected_idx_
    assert inducing.farthest_points(X, 40, start=5).tolist() == expected.tolist()
    assert inducing.cur_points(X, 7).tolist() == selection.CUR(n_to_select=7).fit(X).selected_idx_.tolist()


def test_points_equal_what_scikit_matter_chose():
    """scikit-matter 0.4.1, FPS(n_to_select=6, initialize=2) and CUR(n_to_select=4), scikit-learn 1.9.1."""
    table = np.round(np.sin(np.arange(1.0, 61.0) ** 1.5).reshape(15, 4), 6)
    assert inducing.farthest_points(table, 6, start=2).tolist() == [2, 3, 9, 7, 11, 0]
    assert inducing.cur_points(table, 4).tolist() == [1, 9, 2, 4]


def test_cur_goes_on_after_the_rank():
    chosen = inducing.cur_points(X, 90)
    assert sorted(chosen) == list(range(90))
    rest = np.setdiff1d(np.arange(90), chosen[:7])
    assert chosen[7:14].tolist() == rest[cur_by_brute_force(X[rest], 7)].tolist()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 25))
def test_radius_shrinks_and_order_does_not_matter(seed, n):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(25, 3))
    chosen = inducing.farthest_points(points, n)
    radii = [distances(points, points[chosen[: m + 1]]).min(axis=1).max() for m in range(n)]
    assert all(np.diff(radii) <= 1e-12)
    # Each new point was at the radius, so that all chosen points are at least as far apart as the last radius.
    apart = distances(points[chosen], points[chosen])[np.triu_indices(n, 1)]
    assert apart.min() >= radii[-1] - 1e-12
    order = generator.permutation(25)
    assert order[inducing.farthest_points(points[order], n)].tolist() == chosen.tolist()
    for method in ("cur", "random"):
        rows = inducing.select_points(points, n, method, random_state=0)
        assert len(set(rows.tolist())) == n


def test_float32_and_torch_choose_the_same():
    torch = pytest.importorskip("torch")
    for array in (X.astype(np.float32), torch.asarray(X), torch.asarray(X, dtype=torch.float32)):
        assert inducing.farthest_points(array, 20, start=0).tolist() == farthest_by_brute_force(X, 20, 0)
        assert inducing.cur_points(array, 6).tolist() == cur_by_brute_force(X, 6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_duplicates_end_the_choice_and_it_says_so(dtype):
    few = np.tile(X[:12], (5, 1)).astype(dtype)
    with pytest.warns(UserWarning, match=r"Only 12 of 60 rows differ .* 30 points"):
        chosen = inducing.farthest_points(few, 30)
    assert len(chosen) == 12
    assert len(np.unique(few[chosen], axis=0)) == 12
    assert sorted(set(inducing.select_points(few, 60, "cur"))) == list(range(60))


def test_random_points_are_repeatable_and_uniform():
    first = inducing.random_points(X, 20, random_state=4)
    assert first.tolist() == inducing.random_points(X, 20, random_state=4).tolist()
    counts = np.bincount(
        np.concatenate([inducing.random_points(X[:10], 3, random_state=i) for i in range(2000)]), minlength=10
    )
    assert abs(counts - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)
    start = {int(inducing.farthest_points(X, 1, start="random", random_state=i)[0]) for i in range(60)}
    assert len(start) > 25


@pytest.mark.parametrize("method", ["farthest-point", "cur", "random"])
def test_every_species_gets_its_points(method):
    chosen = inducing.select_per_species(X, SPECIES, 20, method, random_state=1)
    assert {kind: len(rows) for kind, rows in chosen.items()} == {6: 5, 14: 8, 32: 7}
    for kind, rows in chosen.items():
        assert (SPECIES[rows] == kind).all()
    given_numbers = inducing.select_per_species(X, SPECIES, {6: 1, 14: 2, 32: 3}, method, random_state=1)
    assert [len(rows) for rows in given_numbers.values()] == [1, 2, 3]
    alone = inducing.select_points(X[SPECIES == 14], 8, method, random_state=1)
    if method != "random":
        assert chosen[14].tolist() == np.flatnonzero(SPECIES == 14)[alone].tolist()


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.integers(1, 40), min_size=1, max_size=5), data=st.data())
def test_shares_are_all_used_and_level(rows, data):
    available = dict(enumerate(rows))
    n = data.draw(st.integers(len(rows), sum(rows)))
    shares = inducing.share_points(n, available)
    assert sum(shares.values()) == n
    assert all(1 <= shares[kind] <= available[kind] for kind in available)
    free = [shares[kind] for kind in available if shares[kind] < available[kind]]
    assert not free or max(free) - min(free) <= 1
    assert not free or max(shares.values()) - min(free) <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inducing.farthest_points(X, 91), "n must be at most 90, .* got 91"),
        (lambda: inducing.cur_points(X, 0), "n must be a positive whole number; got 0"),
        (lambda: inducing.random_points(X, 2.5), "whole number"),
        (lambda: inducing.farthest_points(X[0], 2), "n_rows, n_features"),
        (lambda: inducing.farthest_points(np.where(X > 1.5, np.nan, X), 2), "NaN"),
        (lambda: inducing.farthest_points(X, 2, start=90), "0 to 89"),
        (lambda: inducing.farthest_points(X, 2, start="middle"), "'outermost', 'random'"),
        (lambda: inducing.select_points(X, 2, "fps"), "'farthest-point', 'cur', 'random'"),
        (lambda: inducing.select_per_species(X, SPECIES, 91), "90 .the number of environments to choose from."),
        (lambda: inducing.select_per_species(X, SPECIES, 2), "between 3 .the number of species."),
        (lambda: inducing.select_per_species(X, SPECIES, {6: 1}), r"\[6, 14, 32\]; .* given for \[6\]"),
        (lambda: inducing.select_per_species(X, SPECIES, {6: 9, 14: 1, 32: 1}), "n must be at most 5"),
        (lambda: inducing.select_per_species(X, SPECIES[:5], 5), "species must have shape"),
    ],
)
def test_what_cannot_be_chosen_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
