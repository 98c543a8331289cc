"""Figure 2: properties from the predicted DOS against properties from the DFT DOS, structure by structure.

The paper shows band energy, heat capacity, DOS at the Fermi level and magnetic susceptibility of its 1,039 silicon
structures (A). This script uses the shipped silicon set, at 300 K. A model of other trajectories predicts every
structure.

    python paper_figures/figure_2.py
"""

import settings

from ldosml import plotting
from ldosml.properties import compare_properties

PROPERTIES = ("band_energy", "dos_at_fermi_level", "heat_capacity", "pauli_susceptibility")


def make(run: settings.Run) -> None:
    """Derive the properties of structures left out."""
    tables = run.left_out(settings.SILICON).properties([settings.TEMPERATURE])
    comparisons = compare_properties(*tables, PROPERTIES, settings.TEMPERATURE)
    values = {(c.name, side): getattr(c, side) for c in comparisons for side in ("true", "predicted")}
    rows = [
        {"structure": name, **{f"{what} {side}": column[s] for (what, side), column in values.items()}}
        for s, name in enumerate(tables[0].names)
    ]
    run.write("figure-2", plotting.property_parity_figure(comparisons), rows)
    numbers = ("name", "unit", "temperature", "normalized_loss", "rmse", "bias", "sigma")
    run.table("figure-2-losses", [{name: getattr(c, name) for name in numbers} for c in comparisons])


if __name__ == "__main__":
    settings.main(make, __doc__)
