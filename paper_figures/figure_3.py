"""Figure 3: learning curves of the DOS, learned from the atoms' LDOS or from the total DOS.

The paper shows its C-Si (C) and Sn-S-Se (D) sets. This script uses Si-C, Sn-S-Se and silicon. Training parts are nested
and contain whole trajectories. Both ways of learning get the same parts. The kernels use all environments of a part, at
most 3,000: inducing points would flatten the curves.

    python paper_figures/figure_3.py
"""

import settings

from ldosml import plotting
from ldosml.studies import learning_curve, regressors_by_learn, spaced_sizes

SETS = (settings.CARBIDE, settings.TIN, settings.SILICON)
N_SIZES = 5
LARGEST = 3000  # environments; the kernel of all environments of silicon takes minutes a fold


def make(run: settings.Run) -> None:
    """Learn from growing parts of each set."""
    curves, rows, slopes = {}, [], []
    regressors = regressors_by_learn()
    del regressors["both"]
    for one in SETS:
        data = run.data(one)
        setup = run.setup("learning-curve", one)
        sizes = [size for size in spaced_sizes(data, 2 if run.quick else N_SIZES, run.n_splits) if size <= LARGEST]
        curve = learning_curve(data, sizes, one.model(), regressors, setup=setup)
        settings.report_cautions(curve)
        curves[one.title] = curve
        rows += settings.of_set(one, curve.records())
        for name in curve.regressors:
            for quantity in curve.quantities:
                slope, deviation = curve.slope(name, quantity)
                row = {"regressor": name, "quantity": quantity, "slope": slope, "deviation": deviation}
                slopes += settings.of_set(one, [row])
    run.write("figure-3", plotting.learning_curve_figure(curves), rows)
    run.table("figure-3-slopes", slopes)


if __name__ == "__main__":
    settings.main(make, __doc__)
