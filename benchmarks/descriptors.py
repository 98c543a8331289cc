"""Descriptors on the same folds of each set: SOAP, tight binding, pretrained networks, and what they give together.

    python benchmarks/descriptors.py [--data FOLDER]

Five folds that keep groups whole, at 0.3 eV, the default regressor: the shipped silicon set, tin chalcogenides, and
silicon with carbon (its first 81 bases). With --data also si_vasp_ldos, at its own smearing. L/sigma of equation 15 of
the LDOS paper, pooled over the folds; differences from SOAP with 95 % intervals (``paired_folds.py``). For silicon also
derived properties. The last table trains on the whole silicon set and predicts the second silicon set, by another
generator, which is evaluated here for choices of settings: it is no test set. SOAP is whitened; the others are scaled
only (``Whitened`` with power 0). --pretrained adds CHGNet and SevenNet-0 to the sets of compounds (extra pretrained).
"""

import machine
from paired_folds import compare
from reference_sets import QUICK_FRACTION, add_vasp_option, load_part, load_vasp, vasp_folds

from ldosml import (
    SOAP,
    DOSModel,
    Joined,
    LDOSDataset,
    LDOSKernelRidge,
    PretrainedFeatures,
    TightBindingSpectrum,
    Whitened,
    load_dataset,
)

SETS = {"silicon": (6.0, -14.0, 5.0), "tin-chalcogenides": (4.0, -14.0, 4.9), "silicon-carbide": (4.0, -16.0, 3.6)}
"""Cutoff radius of SOAP (angstrom), and the energies (eV against the Fermi level) by set."""

TEMPERATURES = (300.0, 3000.0)  # K

BASES = 81  # of silicon with carbon: those that earlier figures had


def scaled(descriptor) -> Whitened:
    """Rows of mean squared length 1."""
    return Whitened(descriptor, power=0.0)


def settings(r_cut: float, n_splits: int, pretrained: bool) -> dict[str, list]:
    """A descriptor and a regressor for each fold, by name."""
    soap, bound = Whitened(SOAP(r_cut=r_cut)), scaled(TightBindingSpectrum())
    descriptors = {
        "SOAP": soap,
        "tight binding": bound,
        "SOAP + tight binding": Joined([soap, bound], weights=[1.0, 0.5]),
        "the same, equal weights": Joined([soap, bound]),
        "SOAP + tight binding of 6 angstrom": Joined(
            [soap, scaled(TightBindingSpectrum(r_cut=6.0))], weights=[1.0, 0.5]
        ),
    }
    for network in ("chgnet", "sevenn") if pretrained else ():
        features = scaled(PretrainedFeatures(network))
        descriptors |= {network: features, f"{network} + tight binding": Joined([features, bound])}
    return {name: [(one, LDOSKernelRidge())] * n_splits for name, one in descriptors.items()}


def load(name: str, quick: bool) -> LDOSDataset:
    """One of the sets at 0.3 eV."""
    if name == "silicon" and quick:
        return load_part(QUICK_FRACTION, smearing_width=0.3)
    data = load_dataset(name, smearing_width=0.3)
    if name == "silicon-carbide":
        bases = list(dict.fromkeys(data.groups))[:BASES]
        data = data.select([group in bases for group in data.groups])
    return data.select(slice(None, None, 8)) if quick else data


def another_generator(results: machine.Results, train: LDOSDataset, test: LDOSDataset, chosen: dict[str, list]) -> None:
    """Add the table of the second silicon set."""
    _, low, high = SETS["silicon"]
    for name, ((descriptor, regressor), *_) in chosen.items():
        model = DOSModel(descriptor, regressor, high=high).fit(train)
        losses = model.evaluate(test).cut(low, high).losses()
        row = {"setting": name, "LDOS": losses["ldos_normalized_loss"], "DOS": losses["dos_normalized_loss"]}
        results.add("L/sigma on the second silicon set", row)


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--pretrained", action="store_true", help="also features of CHGNet and SevenNet-0")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS))
    add_vasp_option(parser)
    given = parser.parse_args(arguments)
    results, n_splits = machine.Results(__file__, given), 2 if given.quick else 5
    for name in given.sets:
        r_cut, low, high = SETS[name]
        data = load(name, given.quick)
        folds = data.folds(n_splits, random_state=0)
        chosen = settings(r_cut, n_splits, given.pretrained and name != "silicon")
        temperatures = TEMPERATURES if name == "silicon" else ()
        compare(results, name, data, folds, chosen, low, high, temperatures)
    if given.data is not None and not given.quick:
        frames = load_vasp(given.data)
        chosen = settings(SETS["silicon"][0], n_splits, pretrained=False)
        compare(results, "si_vasp_ldos", frames, vasp_folds(frames), chosen, *SETS["silicon"][1:])
    if "silicon" in given.sets:
        test = load_dataset("silicon-validation", smearing_width=0.3)
        chosen = settings(SETS["silicon"][0], 1, pretrained=False)
        another_generator(results, load("silicon", given.quick), test, chosen)


if __name__ == "__main__":
    main()
