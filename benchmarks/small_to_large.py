"""Whitened SOAP trained on small cells, evaluated on larger ones: shipped silicon, and cells that others computed.

    python benchmarks/small_to_large.py [--data FOLDER]

Shipped silicon: cells of up to 16 atoms against cells of 31 and 32 (liquid, amorphous), and the whole silicon set
against the set of large amorphous cells. Smearing 0.3 eV, from E_F - 14 to E_F + 5 eV, properties at 300 K. With --data
also the cells of 8 atoms of si_vasp_ldos against its cells of 16. Its frames have no trajectories, so the errors of
its frames left out are too small.
"""

import warnings

import machine
from reference_sets import QUICK_FRACTION, add_vasp_option, load_part, load_vasp

from ldosml import SOAP, DOSModel, LDOSDataset, Whitened, load_dataset
from ldosml.studies import Setup, transfer

MODEL = DOSModel(Whitened(SOAP()), high=5.0)


def compare(results: machine.Results, title: str, train: LDOSDataset, test: LDOSDataset, temperature=300.0) -> None:
    """Add a table of both errors."""
    print(f"\ntrain: {train}\ntest: {test}")
    for row in transfer(train, test, MODEL, setup=Setup(low=-14.0, temperature=temperature)).records():
        cells = {
            "quantity": row["quantity"],
            "left out of the training set": row["left_out_loss"],
            "the other set": row["loss"],
            "mean spectrum of the other set": row["mean_spectrum_loss"],
            "ratio of RMSE": row["ratio"],
        }
        results.add(f"L/sigma, {title}", cells)


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    add_vasp_option(parser)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # of dips below zero, which are repaired
    results = machine.Results(__file__, given)
    data = load_part(QUICK_FRACTION if given.quick else 1.0, smearing_width=0.3)
    small = data.n_atoms <= (8 if given.quick else 16)
    compare(results, "silicon, small cells to larger ones", data.select(small), data.select(~small))
    if given.quick:
        return
    large = load_dataset("silicon-large", smearing_width=0.3)
    compare(results, "silicon, up to 32 atoms to 48 and more", data, large)
    if given.data is not None:
        frames = load_vasp(given.data)
        parts = (frames.select(frames.n_atoms == n) for n in (8, 16))
        compare(results, "VASP, 8 atoms to 16", *parts, temperature=None)


if __name__ == "__main__":
    main()
