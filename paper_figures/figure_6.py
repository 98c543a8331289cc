"""Figure 6: the worst, the median and the best prediction of LDOS and DOS, for pure structures.

The paper takes silicon from its set A and carbon from its set C. This script uses silicon, and the pure carbon
structures of the Si-C set, with a figure each. A model of other trajectories predicts every structure.

    python paper_figures/figure_6.py
"""

import numpy as np
import settings

from ldosml import plotting

SETS = (settings.SILICON, settings.CARBIDE_C)


def make(run: settings.Run) -> None:
    """Rank structures left out."""
    for one in SETS:
        evaluation = run.left_out(one).cut(low=one.low)
        rows = settings.of_set(one, evaluation.by_structure())
        atoms = settings.atoms_of(evaluation)
        ranks = plotting.representatives(np.array([atom["loss"] for atom in atoms]))
        run.table(f"figure-6-{one.label}-atoms", [{"rank": rank, **atoms[row]} for rank, row in ranks.items()])
        run.write(f"figure-6-{one.label}", plotting.representatives_figure(evaluation), rows)


if __name__ == "__main__":
    settings.main(make, __doc__)
