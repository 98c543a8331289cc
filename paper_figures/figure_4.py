"""Figure 4: the error of each property by what the model learned from.

The paper compares the LDOS with the total DOS on its silicon, carbon and Si-C structures (C); here on Si-C, silicon and
Sn-S-Se, a figure each, and with learning from both. Differences are paired: the same folds, and the same draws of
trajectories. Of Sn-S-Se, where the Fermi level lies in a gap, also how well each holds the electrons below.
"""

from dataclasses import replace

import numpy as np
import settings

from ldosml import plotting
from ldosml.studies import compare_regressors

N_INDUCING = {settings.SILICON: 2000}  # fewer would favour learning from DOS, which needs fewer


def below_the_gap(run: settings.Run, one: settings.Set) -> list[dict[str, object]]:
    """How well each way of learning holds the electrons below DFT's Fermi level, and the DOS there.

    In a gap the predicted Fermi level, and what depends on it, follow from the former.
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
    for one in run.available([settings.CARBIDE, settings.SILICON, settings.TIN]):
        setup = run.setup("comparison", one, temperature=settings.TEMPERATURE)
        one = replace(one, n_inducing=N_INDUCING.get(one, one.n_inducing))
        comparison = compare_regressors(run.data(one), one.model(run.part), one.regressors(run.part), setup=setup)
        settings.tell(comparison)
        figure, rows = plotting.comparison_figure(comparison), settings.of_set(one, comparison.records())
        run.write(f"figure-4-{one.label}", figure, rows)
        if one.name == settings.TIN.name:
            run.table(f"figure-4-{one.label}-gap", below_the_gap(run, one))


if __name__ == "__main__":
    settings.main(make, __doc__)
