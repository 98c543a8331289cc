"""Errors on silicon in two zeros of energy: the Fermi level, and the zero of the code.

    python benchmarks/energy_zeros.py

The code's zero does not jump when a defect moves the Fermi level through a gap. 40 % of the shipped set
(``reference_sets.py``) at 0.3 eV, five folds that keep trajectories whole, SOAP alone and the default model. The
windows hold about the same states, and the DOS of every structure covers them: to 0.5 eV above the Fermi level, and to
10.5 eV in the code's zero.
"""

import machine
from reference_sets import QUICK_FRACTION, load_part
from silicon_folds import left_out, pooled

from ldosml import SOAP, DOSModel, Whitened

WINDOWS = (("fermi", -14.0, 0.5), ("code", -10.0, 10.5))  # eV
MODELS = {"SOAP": DOSModel(Whitened(SOAP())), "default": DOSModel()}


def main(arguments=None) -> None:
    given = machine.parser(__doc__).parse_args(arguments)
    data = load_part(*[QUICK_FRACTION] * given.quick, smearing_width=0.3)
    results = machine.Results(__file__, given)
    print(data)
    for zero, low, high in WINDOWS:
        for name, model in MODELS.items():
            row = pooled(left_out(data, model, 2 if given.quick else 5, zero, high).cut(low, high))
            results.add(
                "L/sigma by energy zero", {"zero": zero, "from (eV)": low, "to (eV)": high, "model": name, **row}
            )


if __name__ == "__main__":
    main()
