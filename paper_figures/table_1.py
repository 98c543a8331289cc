"""Table I: the smallest, the largest and the mean error of LDOS by element and set.

The paper has silicon (A), large amorphous silicon (B), silicon, carbon and Si-C structures (C) and Sn-S-Se (D); here
such sets of our own, at a smearing of 0.3 and of 0.5 eV. The large cells are predicted by a model of the small ones.
Beside the errors of whole trajectories left out stand those of single atoms left out, as the paper splits its
environments: an atom is then predicted from others of its own structure.
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
        found = transfer(small, run.data(one, width), settings.SILICON.model(run.part), setup=setup)
        settings.tell(found)
        return ErrorTable({"groups": found.other}, {"groups": found.groups}, found.noise)
    setup = run.setup(f"table-{width:g}", one)
    return error_table(run.data(one, width), one.model(run.part), leaking=True, setup=setup)


def make(run: settings.Run) -> None:
    """Tabulate every set at both widths."""
    sets, rows = run.available(SETS), []
    for width in WIDTHS:
        tables = {one: errors_of(run, one, width) for one in sets}
        for one, table in tables.items():
            rows += settings.of_set(one, table.records(), smearing_width=width)
        figure = plotting.error_table_figure({one.title: table for one, table in tables.items()})
        run.write(f"table-1-{width:g}", figure, [row for row in rows if row["smearing_width"] == width])
    run.table("table-1", rows)


if __name__ == "__main__":
    settings.main(make, __doc__)
