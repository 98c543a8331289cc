"""Errors, and the noise of the labels, against the smearing width.

The paper states that the loss halves from 0.1 to 0.5 eV, and gives its losses of LDOS and DOS at 0.5 eV. This script
makes a figure for each of silicon, Si-C and Sn-S-Se, on the same energies at every width.

    python paper_figures/smearing.py
"""

import settings

from ldosml import plotting
from ldosml.studies import smearing_study

SETS = (settings.SILICON, settings.CARBIDE, settings.TIN)
WIDTHS = (0.1, 0.2, 0.3, 0.5)  # eV


def make(run: settings.Run) -> None:
    """Cross-validate at each width."""
    for one in SETS:
        study = smearing_study(run.data(one, None), WIDTHS, run.model(one), setup=run.setup("smearing", one))
        settings.report_cautions(study)
        rows = settings.of_set(one, study.records())
        run.write(f"smearing-{one.label}", plotting.smearing_figure(study), rows)


if __name__ == "__main__":
    settings.main(make, __doc__)
