r"""Which descriptor, kernel and parameters suit a dataset: every candidate judged without fitting it twice.

The score of a candidate is what fits without a trajectory miss in that trajectory, in closed form from one
factorisation (``solvers.LeaveOut``), with alpha chosen per energy. Successive halving (Jamieson and Talwalkar, Proc.
AISTATS 2016; scikit-learn's HalvingGridSearchCV) judges all candidates on part of the trajectories, and the best of
them on all.

A setting chosen by this score on a whole dataset looks slightly better on that dataset than it is. To state an error,
search within the training part only and judge on the test part.
"""

from ldosml.search.candidates import default_candidates
from ldosml.search.searched import SearchedModel
from ldosml.search.searching import Search, search_settings

__all__ = ["Search", "SearchedModel", "default_candidates", "search_settings"]
