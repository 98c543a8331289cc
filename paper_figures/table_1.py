"""Table I: the smallest, the largest and the mean error of LDOS by element and set.

The paper has silicon (A), large amorphous silicon (B), silicon, carbon and Si-C structures (C) and Sn-S-Se (D). This
script uses our sets of the same kinds, at a smearing of 0.3 and of 0.5 eV. A model of the small cells predicts the
large ones. The table gives errors with whole trajectories left out, and with single atoms left out, as the paper splits
its environments: an atom is then predicted from other atoms of its own structure.

    python paper_figures/table_1.py
"""

import settings

from ldosml import plotting
from ldosml.studies import ErrorTable, error_table, transfer

WIDTHS = (0.3, 0.5)  # eV
SETS = (
    settings.SILICON,
    settings.SILICON_LARGE,
    settings.CARBIDE_SI,
    settings.CARBIDE_C,
    settings.CARBIDE_BOTH,
    settings.TIN,
)


def errors_of(run: settings.Run, one: settings.Set, width: float) -> ErrorTable:
    """Cross-validate a set; the large cells are predicted from the small ones."""
    if one is settings.SILICON_LARGE:
        setup = run.setup(f"transfer-{width:g}", one, temperature=settings.TEMPERATURE)
        small = run.data(settings.SILICON, width)
        found = transfer(small, run.data(one, width), run.model(settings.SILICON), setup=setup)
        settings.report_cautions(found)
        return ErrorTable({"groups": found.other}, {"groups": found.groups}, found.noise)
    setup = run.setup(f"table-{width:g}", one)
    return error_table(run.data(one, width), run.model(one), leaking=True, setup=setup)


def make(run: settings.Run) -> None:
    """Tabulate every set at both widths."""
    rows: list[dict] = []
    for width in WIDTHS:
        tables = {one: errors_of(run, one, width) for one in SETS}
        for one, table in tables.items():
            rows += settings.of_set(one, table.records(), smearing_width=width)
        figure = plotting.error_table_figure({one.title: table for one, table in tables.items()})
        run.write(f"table-1-{width:g}", figure, [row for row in rows if row["smearing_width"] == width])
    run.table("table-1", rows)


if __name__ == "__main__":
    settings.main(make, __doc__)
