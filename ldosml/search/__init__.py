r"""Search for the descriptor, the kernel and their parameters that suit a dataset.

A candidate's score is its leave-out error: each group of structures is predicted by a fit without it, in closed form
from one factorisation (``solvers.LeaveOut``). Alpha is chosen and smoothed for each energy as the fit does it. All
candidates are scored on part of the groups first, and the best of them on all (two rounds of successive halving:
Jamieson and Talwalkar, Proc. AISTATS 2016).

A setting chosen on a whole dataset has a slightly smaller error on that dataset than on new structures. To state an
error, search in the training part only, and evaluate on the test part (``SearchedModel``).
"""

from ldosml.search.presets import default_candidates
from ldosml.search.search import Search, search_settings
from ldosml.search.searched_model import SearchedModel

__all__ = ["Search", "SearchedModel", "default_candidates", "search_settings"]
