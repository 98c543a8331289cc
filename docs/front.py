"""Draw the figure of the README: ``python docs/front.py`` writes docs/front.png in about two minutes.

Split and model are those of ``ldosml demo``: the default model, a fifth of the silicon trajectories held out.
"""

from pathlib import Path

import ldosml
from ldosml.plotting import representatives_figure

if __name__ == "__main__":
    data = ldosml.load_dataset("silicon", smearing_width=0.3)
    train, test = data.split(test_size=0.2, random_state=0)
    model = ldosml.DOSModel(high=5.0).fit(train)
    figure = representatives_figure(model.evaluate(test))
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=200)
