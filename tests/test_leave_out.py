"""Leave-out errors in closed form: every structure counts, however they are stacked; and the alpha they choose."""

import numpy as np
import pytest
from scipy.stats import norm

from ldosml import solvers
from ldosml._array import to_numpy

SIZES = [3, 1, 4, 3, 3, 1, 4, 3, 2, 3, 1, 3]


@pytest.fixture
def rows():
    """Rows of structures, in random order, as the names of their structures."""
    return np.random.default_rng(3).permutation(np.repeat(np.arange(len(SIZES)), SIZES))


@pytest.mark.parametrize("most", [1, 4, 6, 7, 10, 1000])
def test_stacks_hold_every_row_once(xp, rows, most):
    blocks = solvers.blocks_of(rows, xp.zeros(1))
    stacks = [to_numpy(stack) for stack in solvers.stack_blocks(blocks, most)]
    assert sorted(np.concatenate([stack.ravel() for stack in stacks])) == list(range(len(rows)))
    for stack in stacks:
        assert stack.size <= max(most, stack.shape[1])
        assert all(len(set(rows[structure])) == 1 for structure in stack)
    assert sum(len(stack) for stack in stacks) == len(SIZES)


@pytest.mark.parametrize("most", [1, 6, 1000])
def test_residuals_are_those_of_fits_without_the_structure(rows, most):
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(len(rows), 6)), rng.normal(size=(len(rows), 3))
    K, alpha = X @ X.T + 0.5 * np.eye(len(rows)), 0.3
    stacks = solvers.stack_blocks(solvers.blocks_of(rows, Y), most)
    missed = np.full(Y.shape, np.nan)
    leave_out = solvers.LeaveOut(solvers.factorize_kernel(K), Y)
    for stack, residual in zip(stacks, leave_out.residuals(alpha, stacks), strict=True):
        missed[stack.ravel()] = residual.reshape(-1, 3)
    for structure in range(len(SIZES)):
        out = rows == structure
        left = np.linalg.solve(K[np.ix_(~out, ~out)] + alpha * np.eye((~out).sum()), Y[~out])
        np.testing.assert_allclose(missed[out], Y[out] - K[np.ix_(out, ~out)] @ left, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(leave_out.squared_errors(alpha, stacks), np.mean(missed**2, axis=0), rtol=1e-9)


def test_rows_of_each_group():
    """Two groups are enough, whatever their names; one is not."""
    for names in (["b", "a", "b", "b"], [7, -2, 7, 7]):
        blocks = solvers.blocks_of(np.array(names), np.zeros(1))
        assert [block.tolist() for block in blocks] == [[1], [0, 2, 3]]
    with pytest.raises(ValueError, match=r"at least 2 groups; got 1\. Give alpha a number"):
        solvers.blocks_of(np.array(["a", "a"]), np.zeros(1))


def chosen_one_by_one(errors, alphas, weights, width):
    """The definition: the best candidate of every energy, then a weighted mean of the logarithms around each."""
    best = [min(range(len(alphas)), key=lambda a: errors[a, e]) for e in range(errors.shape[1])]
    result = []
    for e in range(errors.shape[1]):
        near = [w * norm.pdf(e, other, width) for other, w in enumerate(weights)]
        result.append(np.exp(np.average([np.log(alphas[b]) for b in best], weights=near)))
    return result


@pytest.mark.parametrize("width", [0.4, 1.0, 2.5])
def test_smoothed_alphas_are_weighted_means_of_logarithms(xp, width):
    rng = np.random.default_rng(5)
    errors, alphas, weights = rng.uniform(1, 2, (4, 12)), [1e-5, 1e-3, 0.1, 7.0], rng.uniform(0.5, 2, 12)
    found = solvers.choose_alpha(xp.asarray(errors), alphas, xp.asarray(weights), width)
    expected = chosen_one_by_one(errors, alphas, weights + 1e-6 * weights.max(), width)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-10)


def test_a_wide_smoothing_gives_one_alpha_and_a_narrow_one_changes_nothing():
    errors, alphas = np.array([[1.0, 2.0, 1.0, 1.0], [2.0, 1.0, 3.0, np.nan]]), [1e-4, 1.0]
    even = np.ones(4)
    np.testing.assert_allclose(solvers.choose_alpha(errors, alphas, even, 1e6), np.full(4, 1e-3), rtol=1e-9)
    for width in (0.0, 1e-3):
        np.testing.assert_allclose(solvers.choose_alpha(errors, alphas, even, width), [1e-4, 1, 1e-4, 1e-4], rtol=1e-9)


def test_without_any_signal_the_smoothing_is_defined():
    errors = np.array([[1.0, 2.0, 2.0], [2.0, 1.0, 1.0]])
    alpha = solvers.choose_alpha(errors, [1e-2, 1.0], np.zeros(3), 1e6)
    np.testing.assert_allclose(alpha, np.full(3, 1e-2 ** (1 / 3)), rtol=1e-9)
