"""Where the Fermi level is: the zero of the bins, as it was learned, or where counted states hold the electrons.

    python benchmarks/occupancy_fermi.py [MODEL] [--crystals crystals]

Of the test part of the crystals that a model was trained on. In bands by DFT the Fermi level is at zero, so that what
is counted errs by its distance from there, in a gap by what it lies beyond the edges. Gaps are found with the threshold
of the model, from k-points of a path and a mesh. "Electrons": those that tight binding leaves within the bins, against
those of DFT's bands there; "states": those that the network expects up to zero, against the same.

What Fermi surfaces are made of is the number of states below the Fermi level at each k-point of DFT's mesh: that of the
network, of tight binding, and of both, which is drawn (``with_deep_states``), in whole states, against DFT's; whole
bands at all k-points apart, which no surface shows. Beside them the best constant.

Of crystals with a gap: how far DFT's bands at the k-points where the model has the edges are from DFT's own edges.
"""

import argparse
import warnings

import machine
import numpy as np
from occupancy_table import parts_of

from ldosml.datasets.crystals import Material
from ldosml.kresolved import (
    composition_draws,
    counted_dos,
    edge_bands,
    estimates_table,
    filling,
    judge_gaps,
    quietest,
)
from ldosml.kresolved.estimates import estimate, mean_of
from ldosml.neural import KOccupancyRegressor, electronic_structure, open_occupancy_model, standardized
from ldosml.neural.filling import with_deep_states
from ldosml.neural.tight_binding import TightBinding


def electrons_in_bins(material: Material, low: float) -> float:
    """By DFT, in states of the mesh that are not deeper than ``low``, eV."""
    mesh = material.mesh
    return float(mesh.n_electrons - 2 * mesh.weights @ (mesh.relative < low).sum(axis=1))


def states_apart(material: Material, found: np.ndarray, low: float) -> float:
    """Mean error of the number of states from ``low`` (eV) to zero at a k-point, but for whole bands."""
    mesh = material.mesh
    off = np.rint(found) - ((mesh.relative > low) & (mesh.relative < 0)).sum(axis=1)
    return min(float(mesh.weights @ np.abs(off - bands)) for bands in range(-9, 10))


def fillings(model: KOccupancyRegressor, material: Material) -> dict[str, float]:
    """Errors of the number of states below the Fermi level of a metal."""
    crystal, mesh, parameters = standardized(material.atoms), material.mesh, model.network_.tight_binding
    network = model.predict([material.atoms], mesh.kpoints, weights=mesh.weights, allow_unknown=True)[0]
    both = with_deep_states(network, crystal, parameters)
    bound = TightBinding(crystal, parameters)
    bands = bound.eigenvalues(both.kpoints) - bound.fermi_energy(*bound.on_mesh())
    low = quietest(both)
    return {
        "network": states_apart(material, filling(network, quietest(network)), quietest(network)),
        "tight binding": states_apart(material, ((bands > low) & (bands < 0)).sum(axis=1), low),
        "both": states_apart(material, filling(both, low), low),
        "constant": states_apart(material, np.zeros(len(bands)), low),
    }


def asked(model: KOccupancyRegressor, material: Material) -> dict[str, float]:
    """Gaps, and errors of what is counted, of one crystal."""
    known, counted = (
        electronic_structure(model, material.atoms, fermi=which, allow_unknown=True) for which in ("known", "counted")
    )
    low = known.mesh.grid.start
    expected = electrons_in_bins(material, low)
    bound = TightBinding(known.crystal, model.network_.tight_binding).electrons_above(low)
    dos = counted_dos(known.mesh, len(known.crystal))
    half = dos.energies < 0
    return {
        "known": known.gap.gap,
        "counted": counted.gap.gap,
        "level": max(0.0, abs(counted.fermi_level) - 0.5 * material.gap),
        "electrons": abs(bound - expected),
        "states": abs(float(dos.values[0, half].sum()) * dos.grid.step - expected),
    }


def edges_apart(model: KOccupancyRegressor, material: Material) -> tuple[float, float]:
    """What DFT's valence and conduction band lack of their edges at the k-points that the model tells, eV."""
    bands = material.bands
    valence, conduction = edge_bands(bands.eigenvalues, bands.n_electrons)
    gap = model.gap(model.predict([material.atoms], bands.kpoints, allow_unknown=True)[0])
    if gap.valence_kpoint is None or gap.conduction_kpoint is None:
        return np.nan, np.nan
    return valence.max() - valence[gap.valence_kpoint], conduction[gap.conduction_kpoint] - conduction.min()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="crystals", help="file, or name of a shipped model")
    parser.add_argument("--crystals", default="crystals", help="file, or name of the set that ships with ldosml")
    given = parser.parse_args()
    model = open_occupancy_model(given.model)
    test = parts_of(model, given.crystals)[2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of elements that are left out on purpose
        found = [asked(model, material) for material in test]
    values = {name: np.array([one[name] for one in found]) for name in found[0]}
    draws = composition_draws(test, 1000)
    columns = {which: judge_gaps(test.gaps, values[which], draws) for which in ("known", "counted")}
    columns["counted"] |= {
        "Fermi level: MAE (eV)": estimate(mean_of(values["level"]), draws),
        "Fermi level of metals: MAE (eV)": estimate(mean_of(values["level"], test.gaps == 0), draws),
        "electrons: MAE": estimate(mean_of(values["electrons"]), draws),
        "states: MAE, electrons": estimate(mean_of(values["states"]), draws),
    }
    print(machine.describe(), estimates_table(columns), sep="\n\n")
    metals = test[test.gaps == 0]
    errors = [fillings(model, material) for material in metals]
    draws = composition_draws(metals, 1000)
    columns = {
        name: {"states below the Fermi level at a k-point: MAE": estimate(mean_of(np.array(values)), draws)}
        for name, values in ((name, [one[name] for one in errors]) for name in errors[0])
    }
    print("", estimates_table(columns), sep="\n")
    others = test[test.gaps > 0]
    apart = np.array([edges_apart(model, material) for material in others])
    told = np.isfinite(apart[:, 0])
    for name, values in zip(("valence", "conduction"), apart[told].T, strict=True):
        mean, median = values.mean(), np.median(values)
        print(f"k-points of {name} edges, {told.sum()} crystals: mean {mean:.2f} eV, median {median:.2f} eV off")


if __name__ == "__main__":
    main()
