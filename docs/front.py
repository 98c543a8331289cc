"""Draw the figure of the README: ``python docs/front.py`` writes docs/front.png in about two minutes.

The default model; a fifth of the trajectories of bulk silicon is held out.
"""

from pathlib import Path

import ldosml
from ldosml.plotting import representatives_figure

if __name__ == "__main__":
    data = ldosml.load_dataset("silicon", smearing_width=0.3)
    bulk = data.select([kind not in ("slab", "cluster") for kind in data.kinds])
    train, test = bulk.split(test_size=0.2, random_state=0)
    model = ldosml.DOSModel(high=5.0).fit(train)
    figure = representatives_figure(model.evaluate(test))
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=200)
