"""Figure 1: the error of LDOS against the cropping radius, element by element.

The paper shows S, Sn and Se of its Sn-S-Se set (D). This script uses Sn-S-Se, silicon and Si-C, with fragments that end
where the descriptor ends, and with fragments cropped sharply at the radius (equation 9).

    python paper_figures/figure_1.py
"""

from dataclasses import replace

import settings

from ldosml import plotting
from ldosml.studies import sweep_cutoffs

N_INDUCING = {settings.SILICON: 500, settings.CARBIDE: 500}  # a sweep fits many models
SETS = (settings.TIN, settings.SILICON, settings.CARBIDE)
RADII = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0)  # angstrom


def make(run: settings.Run) -> None:
    """Sweep the radius on each set."""
    sweeps, rows, saturation = {}, [], []
    for one in SETS:
        model = run.model(replace(one, n_inducing=N_INDUCING.get(one, one.n_inducing)))
        sweep = sweep_cutoffs(run.data(one), RADII[1:3] if run.quick else RADII, model, setup=run.setup("sweep", one))
        sweeps[one.title] = sweep
        rows += settings.of_set(one, sweep.records())
        for mode in sweep.modes:
            saturation += settings.of_set(one, sweep.saturation(mode))
    run.write("figure-1", plotting.sweep_figure(sweeps), rows)
    run.table("figure-1-saturation", saturation)


if __name__ == "__main__":
    settings.main(make, __doc__)
