"""Figure 7: the worst LDOS of each element, and the worst and the best DOS, for compounds.

The paper shows the Si-C structures of its set C and its Sn-S-Se set (D). This script uses the structures of the Si-C
set that contain both elements, and Sn-S-Se, with a figure each. A model of other trajectories predicts every structure.

    python paper_figures/figure_7.py
"""

import settings

from ldosml import plotting

SETS = (settings.CARBIDE_BOTH, settings.TIN)


def make(run: settings.Run) -> None:
    """Find the worst atom of each element among structures left out."""
    for one in SETS:
        evaluation = run.left_out(one).cut(low=one.low)
        rows = settings.of_set(one, evaluation.by_structure())
        atoms = settings.atoms_of(evaluation)
        elements = sorted({atom["element"] for atom in atoms})
        worst = [max((a for a in atoms if a["element"] == e), key=lambda atom: atom["loss"]) for e in elements]
        run.table(f"figure-7-{one.label}-atoms", worst)
        run.write(f"figure-7-{one.label}", plotting.worst_by_element_figure(evaluation), rows)


if __name__ == "__main__":
    settings.main(make, __doc__)
