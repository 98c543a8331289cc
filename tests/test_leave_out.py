"""Leave-out errors in closed form: every structure counts, however the structures are stacked."""

import numpy as np
import pytest

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
