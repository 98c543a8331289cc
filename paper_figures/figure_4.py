"""Figure 4: the error of each property by what the model learned from.

The paper compares learning from LDOS and from the total DOS on its silicon, carbon and Si-C structures (C). This script
uses Si-C, silicon and Sn-S-Se, with a figure each, and also learns from both. Differences are paired: the same folds,
and the same draws of trajectories. For Sn-S-Se, where the Fermi level lies in a gap, a table also gives the error of
the electrons below it.

    python paper_figures/figure_4.py
"""

from dataclasses import replace

import numpy as np
import settings

from ldosml import plotting
from ldosml.studies import compare_regressors

SETS = (settings.CARBIDE, settings.SILICON, settings.TIN)
N_INDUCING = {settings.SILICON: 2000}  # fewer would favor learning from DOS, which needs fewer


def below_the_gap(run: settings.Run, one: settings.Set) -> list[dict[str, object]]:
    """Errors of the number of electrons below the Fermi level of DFT, and of the DOS there, for each way of learning.

    In a gap, the number of electrons determines the predicted Fermi level and everything that depends on it.
    """
    rows = []
    for learn in ("ldos", "dos"):
        evaluation = run.left_out(one, learn)
        true, predicted = evaluation.dos()
        wrong, below = predicted.values - true.values, true.energies <= 0
        electrons = wrong[:, below].sum(axis=1) * true.grid.step / evaluation.n_electrons
        level = wrong[:, np.abs(true.energies).argmin()] / np.array(true.n_atoms)
        rms = {"electrons, fraction": electrons, "dos at E_F of DFT, states/eV/atom": level}
        rows.append({"regressor": learn, **{name: float(np.sqrt(np.mean(value**2))) for name, value in rms.items()}})
    return settings.of_set(one, rows)


def make(run: settings.Run) -> None:
    """Compare the ways of learning on each set."""
    for one in SETS:
        setup = run.setup("targets", one, temperature=settings.TEMPERATURE)
        one = replace(one, n_inducing=N_INDUCING.get(one, one.n_inducing))
        comparison = compare_regressors(run.data(one), run.model(one), one.regressors(quick=run.quick), setup=setup)
        settings.report_cautions(comparison)
        figure, rows = plotting.comparison_figure(comparison), settings.of_set(one, comparison.records())
        run.write(f"figure-4-{one.label}", figure, rows)
        if one.name == settings.TIN.name:
            run.table(f"figure-4-{one.label}-gap", below_the_gap(run, one))


if __name__ == "__main__":
    settings.main(make, __doc__)
