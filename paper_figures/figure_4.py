"""Figure 4: the error of each property by what the model learned from.

The paper compares the LDOS with the total DOS on its silicon, carbon and Si-C structures (C); here on Si-C, silicon and
Sn-S-Se, a figure each, and with learning from both. Differences are paired: the same folds, and the same draws of
trajectories.
"""

from dataclasses import replace

import settings

from ldosml import plotting
from ldosml.studies import compare_strategies

N_INDUCING = {settings.SILICON: 2000}  # fewer would favour learning from DOS, which needs fewer


def make(run: settings.Run) -> None:
    """Compare the ways of learning on each set."""
    for one in run.available([settings.CARBIDE, settings.SILICON, settings.TIN]):
        setup = run.setup("strategies", one, temperature=settings.TEMPERATURE)
        one = replace(one, n_inducing=N_INDUCING.get(one, one.n_inducing))
        comparison = compare_strategies(run.data(one), one.model(run.part), one.strategies(run.part), setup=setup)
        for caution in comparison.cautions():
            settings.report(caution)
        figure, rows = plotting.comparison_figure(comparison), settings.of_set(one, comparison.records())
        run.write(f"figure-4-{one.label}", figure, rows)


if __name__ == "__main__":
    settings.main(make, __doc__)
