"""Trained on small cells, evaluated on large ones: a test of locality (set B of the paper).

The shipped silicon set (2 to 32 atoms), and amorphous cells of 48 to 64 atoms; properties at 300 K.

    python paper_figures/transfer.py
"""

import settings

from ldosml import plotting
from ldosml.studies import transfer


def make(run: settings.Run) -> None:
    """Fit on the small cells, predict the large ones."""
    small, large = settings.SILICON, settings.SILICON_LARGE
    setup = run.setup(f"transfer-{settings.SMEARING_WIDTH:g}", large, temperature=settings.TEMPERATURE)
    found = transfer(run.data(small), run.data(large), run.model(small), setup=setup)
    settings.report_cautions(found)
    figure = plotting.representatives_figure(found.evaluation.cut(low=large.low))
    run.write("transfer", figure, found.records())


if __name__ == "__main__":
    settings.main(make, __doc__)
