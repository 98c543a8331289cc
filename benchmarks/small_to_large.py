"""Trained on small cells, judged on larger ones: shipped silicon, and cells that others computed.

    python benchmarks/small_to_large.py [FOLDER]

Silicon that ships with the project: cells of up to 16 atoms against those of 31 and 32 (liquid, amorphous), both at a
smearing of 0.3 eV, from E_F - 14 to E_F + 5 eV, properties at 300 K. Where the set of large amorphous cells is there,
the whole silicon set against it. With FOLDER, which holds si_vasp_ldos (see si_vasp_folds.py), its cells of 8 atoms
against those of 16; its frames know no trajectories, so that the errors of those left out are too small there.
"""

import argparse
import warnings
from pathlib import Path

import machine
import numpy as np

from ldosml import SOAP, DOSModel, LDOSDataset, SparseLDOSKernelRidge, Whitened, import_dataset, load_dataset
from ldosml.datasets import available_datasets
from ldosml.studies import Setup, transfer

MODEL = DOSModel(
    Whitened(SOAP()),
    SparseLDOSKernelRidge("leave-one-group-out", n_inducing=1000, kernel="matern", gamma=0.3),
    high=5.0,
)


def show(title: str, train: LDOSDataset, test: LDOSDataset, **setup) -> None:
    """Print a table of both errors."""
    print(f"\n{title}\ntrain: {train}\ntest: {test}")
    print("| | left out of the training set | the other set | mean spectrum there | ratio of RMSE |")
    print("| --- | --- | --- | --- | --- |")
    for row in transfer(train, test, MODEL, setup=Setup(**setup)).records():
        mean = "" if row["mean_spectrum_loss"] is None else f"{row['mean_spectrum_loss']:.3f}"
        print(f"| {row['quantity']} | {row['left_out_loss']:.3f} | {row['loss']:.3f} | {mean} | {row['ratio']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="folder with si_vasp_ldos")
    folder = parser.parse_args().folder
    warnings.simplefilter("ignore")  # of dips below zero, which are repaired
    print(machine.describe())
    data = load_dataset("silicon", smearing_width=0.3)
    small = data.n_atoms <= 16
    show("silicon, up to 16 atoms to 32", data.select(small), data.select(~small), low=-14.0, temperature=300.0)
    if "silicon-large" in available_datasets():
        large = load_dataset("silicon-large", smearing_width=0.3)
        show("silicon, up to 32 atoms to 48 and more", data, large, low=-14.0, temperature=300.0)
    if folder is not None:
        real = folder / "si_vasp_ldos"
        frames = import_dataset(real / "structures.xyz", real / "ldos.npz", energy_max=5.0)
        sizes = np.array(frames.n_atoms)
        show("VASP, 8 atoms to 16", frames.select(sizes == 8), frames.select(sizes == 16), low=-14.0)


if __name__ == "__main__":
    main()
