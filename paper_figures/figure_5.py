"""Figure 5: the derivative of the DOS of two structures, learned from the atoms' LDOS or from the total DOS.

The paper shows two representative silicon structures. This script uses the crystal (diamond) and the glass of the
silicon set whose DOS, learned from LDOS, has the median error of its kind. Models of other trajectories predict both.

    python paper_figures/figure_5.py
"""

import numpy as np
import settings

from ldosml import Evaluation, plotting
from ldosml.properties import dos_derivative

KINDS = ("diamond", "amorphous")
NAMES = {"ldos": "from LDOS", "dos": "from DOS"}


def median(evaluation: Evaluation, kind: str) -> int:
    """The structure of a kind whose DOS has the median error; the lower of the two middle ones of an even number."""
    rows = evaluation.by_structure()
    ranked = sorted((row["dos_loss"], s) for s, row in enumerate(rows) if row["kind"] == kind)
    return ranked[(len(ranked) - 1) // 2][1]


def make(run: settings.Run) -> None:
    """Differentiate the DOS of structures left out."""
    one = settings.SILICON
    evaluations = {name: run.left_out(one, learn) for learn, name in NAMES.items()}
    first = next(iter(evaluations.values()))
    chosen = [median(first, kind) for kind in KINDS]
    curves = {"DFT": first.dos()[0]} | {name: evaluation.dos()[1] for name, evaluation in evaluations.items()}
    slopes = {name: dos_derivative(dos) / np.array(dos.n_atoms)[:, None] for name, dos in curves.items()}
    inside = np.flatnonzero(curves["DFT"].energies >= one.low)
    rows = [
        {"structure": first.names[s], "energy": curves["DFT"].energies[e]}
        | {f"dos, {name}": dos.per_atom()[s, e] for name, dos in curves.items()}
        | {f"derivative, {name}": values[s, e] for name, values in slopes.items()}
        for s in chosen
        for e in inside
    ]
    run.write("figure-5", plotting.derivative_figure(evaluations, chosen, low=one.low), rows)


if __name__ == "__main__":
    settings.main(make, __doc__)
