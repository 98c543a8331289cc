"""Readers of DFT output on files that others computed: electrons, Fermi level, and how much was projected.

    python benchmarks/readers.py --data FOLDER

FOLDER holds dft_outputs (not shipped), with outputs from the test files of aiida-quantumespresso, pymatgen, sisl,
galore and electronic-parsers. "Electrons" are those that the output states, "in occupied states" the sum over the
k-points and bands with the code's own occupations, "up to E_F" that over the states below the code's Fermi level (for a
printed DOS, over its values). The rest is what ``ldosml import`` says.
"""

import warnings
from pathlib import Path

import machine

from ldosml.readers import ReaderError, facts_of, find_runs
from ldosml.readers.levels import levels_of


def main(arguments: list[str] | None = None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with dft_outputs")
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    found, _ = find_runs([given.data / "dft_outputs"])
    for one in found[:3] if given.quick else found:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run = one.reader.read(one.path)
        except ReaderError as error:
            reason = str(error).replace(str(one.path.parent), ".")
            results.add("not read", {"output": one.name, "why": reason})
            continue
        levels, facts = levels_of(run), facts_of(run)
        results.add(
            "outputs",
            {
                "output": one.name,
                "code": run.code,
                "electrons": run.n_electrons,
                "in occupied states": None
                if run.bands is None or run.bands.occupations is None
                else run.bands.occupied,
                "up to E_F": levels.count(run.fermi_energy),
                "E_F (eV)": round(run.fermi_energy, 4),
                "gap (eV)": "; ".join(f"{gap:.3f}" for gap in facts.gaps) or None,
                "projected": facts.projected_fraction,
                "told": "; ".join(facts.cautions) or None,
            },
        )


if __name__ == "__main__":
    main()
