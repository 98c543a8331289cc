"""The Fermi level of predictions: at the zero of the bins, or where the counted states hold the electrons.

    python benchmarks/occupancy_fermi.py [MODEL]

All results are for the test part of the crystals of a model. The DFT Fermi level is at zero, so the error of a counted
Fermi level is its distance from zero; in a gap, its distance beyond the nearest edge. Gaps are found with the threshold
of the model, at the k-points of a path and a mesh. "Electrons" is the error of the number of electrons within the bins
from tight binding, against the DFT bands. "States" is the error of the number of states below zero from the network.

The second table compares the number of states below the Fermi level at each k-point of the DFT mesh, from which Fermi
surfaces follow: from the network, from tight binding, from both as drawn (``with_deep_states``), and a constant.
Numbers are rounded. A difference that is the same at all k-points does not change a surface, and is subtracted.

The last table is for crystals with a gap: the distance of the DFT bands from their edges, at the predicted k-points of
the edges.
"""

import warnings

import machine
import numpy as np

from ldosml.datasets import CrystalSet, Material, crystal_parts
from ldosml.kresolved import counted_dos, edge_bands
from ldosml.kresolved.evaluation import composition_draws, score_gaps
from ldosml.kresolved.evaluation.estimates import estimate, mean_of
from ldosml.kresolved.states import emptiest_energy, filling
from ldosml.neural import KOccupancyRegressor, electronic_structure, load_crystal_model, standardized
from ldosml.neural.deep_states import with_deep_states
from ldosml.neural.tight_binding import CrystalTightBinding


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
    bound = CrystalTightBinding(crystal, parameters)
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
    bound = CrystalTightBinding(known.crystal, model.network_.tight_binding).electrons_above(low)
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


def compare_levels(results: machine.Results, model: KOccupancyRegressor, test: CrystalSet) -> None:
    """Add a table: gaps with both Fermi levels, and errors of the counted level."""
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
    for score in columns["counted"]:
        row = {which: str(column.get(score, "")) for which, column in columns.items()}
        results.add("Fermi level at zero (known), or counted", {"score": score, **row})


def compare_fillings(results: machine.Results, model: KOccupancyRegressor, metals: CrystalSet) -> None:
    """Add a table: states below the Fermi level of metals."""
    errors = [fillings(model, material) for material in metals]
    draws = composition_draws(metals, 1000)
    row = {name: str(estimate(mean_of(np.array([one[name] for one in errors])), draws)) for name in errors[0]}
    results.add("states below the Fermi level at a k-point: MAE", row)


def compare_edges(results: machine.Results, model: KOccupancyRegressor, others: CrystalSet) -> None:
    """Add a table: distances of the DFT bands from their edges, at the predicted k-points of the edges."""
    apart = np.array([edges_apart(model, material) for material in others])
    found = apart[np.isfinite(apart[:, 0])]
    for name, values in zip(("valence", "conduction"), found.T, strict=True):
        row = {"edge": name, "crystals": len(values), "mean": values.mean(), "median": np.median(values)}
        results.add("distance of the DFT band from its edge (eV)", row)


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("model", nargs="?", default="crystals", help="file, or name of a shipped model")
    given = parser.parse_args(arguments)
    results, model = machine.Results(__file__, given), load_crystal_model(given.model)
    test = crystal_parts(model)[2]
    metals, others = (test[chosen] for chosen in (test.gaps == 0, test.gaps > 0))
    if given.quick:
        metals, others = metals[np.arange(2)], others[np.arange(2)]
        test = CrystalSet((*metals, *others), test.provenance)
    compare_levels(results, model, test)
    compare_fillings(results, model, metals)
    compare_edges(results, model, others)


if __name__ == "__main__":
    main()
