"""The Fermi level of predictions: at the zero of the bins, or where the counted states hold the electrons.

    python benchmarks/occupancy_fermi.py [MODEL] [--crystals crystals]

All results are for the test part of the crystals of a model. The DFT Fermi level is at zero, so the error of a counted
Fermi level is its distance from zero; in a gap, its distance beyond the nearest edge. Gaps are found with the threshold
of the model, at the k-points of a path and a mesh. "Electrons" is the error of the number of electrons within the bins
from tight binding, against the DFT bands. "States" is the error of the number of states below zero from the network.

The second table compares the number of states below the Fermi level at each k-point of the DFT mesh, from which Fermi
surfaces follow: from the network, from tight binding, from both as drawn (``with_deep_states``), and a constant.
Numbers are rounded. A difference that is the same at all k-points does not change a surface, and is subtracted.

The last lines are for crystals with a gap: the distance of the DFT bands from their edges, at the predicted k-points of
the edges.
"""

import argparse
import warnings

import machine
import numpy as np
from occupancy_table import parts_of

from ldosml.datasets.crystals import Material
from ldosml.kresolved import counted_dos, edge_bands
from ldosml.kresolved.evaluation import composition_draws, estimates_table, score_gaps
from ldosml.kresolved.evaluation.estimates import estimate, mean_of
from ldosml.kresolved.states import emptiest_energy, filling
from ldosml.neural import KOccupancyRegressor, electronic_structure, load_occupancy_model, standardized
from ldosml.neural.deep_states import with_deep_states
from ldosml.neural.tight_binding import TightBinding


def electrons_in_bins(material: Material, low: float) -> float:
    """DFT electrons in states of the mesh above ``low``, eV."""
    mesh = material.mesh
    return float(mesh.n_electrons - 2 * mesh.weights @ (mesh.relative < low).sum(axis=1))


def states_apart(material: Material, found: np.ndarray, low: float) -> float:
    """Mean error of the number of states from ``low`` (eV) to zero at a k-point, up to a constant."""
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
    low = emptiest_energy(both)
    return {
        "network": states_apart(material, filling(network, emptiest_energy(network)), emptiest_energy(network)),
        "tight binding": states_apart(material, ((bands > low) & (bands < 0)).sum(axis=1), low),
        "both": states_apart(material, filling(both, low), low),
        "constant": states_apart(material, np.zeros(len(bands)), low),
    }


def counts_and_gaps(model: KOccupancyRegressor, material: Material) -> dict[str, float]:
    """Gaps of one crystal, and errors of counted electrons and states."""
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
    """Distance of the DFT valence and conduction band from their edges, at the predicted k-points of the edges, eV."""
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
    model = load_occupancy_model(given.model)
    test = parts_of(model, given.crystals)[2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # unknown elements are intended
        found = [counts_and_gaps(model, material) for material in test]
    values = {name: np.array([one[name] for one in found]) for name in found[0]}
    draws = composition_draws(test, 1000)
    columns = {which: score_gaps(test.gaps, values[which], draws) for which in ("known", "counted")}
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
    found_edges = np.isfinite(apart[:, 0])
    for name, values in zip(("valence", "conduction"), apart[found_edges].T, strict=True):
        mean, median = values.mean(), np.median(values)
        print(f"k-points of {name} edges, {found_edges.sum()} crystals: mean {mean:.2f} eV, median {median:.2f} eV off")


if __name__ == "__main__":
    main()
