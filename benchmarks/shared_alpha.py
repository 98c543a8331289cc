"""One alpha for all energies against an alpha for each energy: errors of spectra, and of properties derived from them.

    python benchmarks/shared_alpha.py

A part of the shipped silicon set (``reference_sets.py``) at a smearing of 0.3 eV, whitened SOAP, five folds that keep
trajectories whole. "Smoothing" is ``alpha_smoothing``: the width, in numbers of energies (steps of 0.05 eV), over
which the chosen alphas are averaged; "all" is the default, one alpha. L/sigma of LDOS and of DOS per atom (equation 15
of the LDOS paper) from E_F - 14 to E_F + 5 eV; RMSE of the chemical potential, and L/sigma of properties, at 300 K from
all states.
"""

import machine
from reference_sets import QUICK_FRACTION, load_part
from silicon_folds import HIGH, LOW, TEMPERATURE, left_out, mu_error

from ldosml import SOAP, DOSModel, LDOSKernelRidge, Whitened, normalized_loss

WIDTHS = (None, 100.0, 20.0, 5.0, 0.0)
PROPERTIES = ("band_energy", "heat_capacity", "dos_at_fermi_level")


def main(arguments=None) -> None:
    given = machine.parser(__doc__).parse_args(arguments)
    data = load_part(QUICK_FRACTION, smearing_width=0.3) if given.quick else load_part(smearing_width=0.3)
    results = machine.Results(__file__, given)
    print(data)
    for width in WIDTHS:
        model = DOSModel(Whitened(SOAP()), LDOSKernelRidge(alpha_smoothing=width))
        evaluation = left_out(data, model, 2 if given.quick else 5)
        losses = evaluation.cut(LOW, HIGH).losses()
        row = {"smoothing": "all" if width is None else f"{width:g}"}
        row |= {"LDOS": losses["ldos_normalized_loss"], "DOS": losses["dos_normalized_loss"], **mu_error(evaluation)}
        true, predicted = evaluation.properties(TEMPERATURE)
        row |= {name: float(normalized_loss(true.column(name), predicted.column(name))) for name in PROPERTIES}
        results.add("errors by smoothing of alpha", row)


if __name__ == "__main__":
    main()
