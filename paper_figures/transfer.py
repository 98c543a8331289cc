"""Trained on small cells, judged on large ones: what locality promises (set B of the paper).

The shipped silicon set (2 to 32 atoms), and amorphous cells of 48 to 64 atoms; properties at 300 K.
"""

import settings

from ldosml import plotting
from ldosml.studies import transfer


def make(run: settings.Run) -> None:
    """Fit on the small cells, predict the large ones."""
    (large,) = run.available([settings.SILICON_LARGE])
    (small,) = run.available([settings.SILICON])
    setup = run.setup(f"transfer-{settings.SMEARING_WIDTH:g}", large, temperature=settings.TEMPERATURE)
    found = transfer(run.data(small), run.data(large), small.model(run.part), setup=setup)
    settings.tell(found)
    figure = plotting.representatives_figure(found.evaluation.cut(low=large.low))
    run.write("transfer", figure, found.records())


if __name__ == "__main__":
    settings.main(make, __doc__)
