"""Memory and time of reading a large vasprun.xml: writes one of random numbers, then reads it in a process of its own.

    python benchmarks/large_vasprun.py

The peak of memory is that of the process that reads it, with Python and its packages ("before reading").
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np

N_ATOMS, N_ORBITALS, N_BANDS = 96, 9, 400
_READ = """
import resource, sys, time
from ldosml.readers import read_run
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
run = read_run(sys.argv[1])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(before / 1024**2, peak / 1024**2, seconds, run.bands.projections.nbytes / 1024**3)
"""


def write(path: Path, size: float) -> int:
    """Write a file of about ``size`` bytes; gives its number of k-points."""
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 0.1, (N_ATOMS, N_ORBITALS))
    band = "".join(f"      <r> {' '.join(f'{x:8.4f}' for x in row)} </r>\n" for row in rows)
    n_kpoints = max(1, round(size / (N_BANDS * (len(band) + 60))))
    energies = np.sort(rng.uniform(-10, 20, N_BANDS))
    levels = "".join(f"<r> {e:9.4f} {float(e < 5):7.4f} </r>\n" for e in energies)
    with path.open("w") as file:
        file.write('<?xml version="1.0"?>\n<modeling><generator><i name="version">6.4.2</i></generator>\n')
        file.write("<kpoints><varray name='kpointlist'>" + "<v> 0 0 0 </v>\n" * n_kpoints + "</varray>")
        file.write("<varray name='weights'>" + f"<v> {1 / n_kpoints:.8f} </v>\n" * n_kpoints + "</varray></kpoints>\n")
        file.write("<parameters><i name='NELECT'>400</i><i name='ISPIN'>1</i></parameters>\n")
        file.write("<atominfo><array name='atoms'><set>" + "<rc><c>Si</c><c>1</c></rc>\n" * N_ATOMS)
        file.write("</set></array></atominfo><calculation><structure><crystal><varray name='basis'>")
        file.write("<v> 12 0 0 </v><v> 0 12 0 </v><v> 0 0 12 </v></varray></crystal><varray name='positions'>")
        file.write(
            "".join(f"<v> {' '.join(f'{x:.6f}' for x in row)} </v>\n" for row in rng.uniform(0, 1, (N_ATOMS, 3)))
        )
        file.write("</varray></structure><eigenvalues><array><set><set>")
        for _ in range(n_kpoints):
            file.write(f"<set>{levels}</set>")
        file.write(
            "</set></set></array></eigenvalues><dos><i name='efermi'> 5.0 </i></dos><projected><array><set><set>\n"
        )
        for _ in range(n_kpoints):
            file.write("<set>")
            for number in range(N_BANDS):
                file.write(f"<set comment='band {number + 1}'>\n{band}</set>\n")
            file.write("</set>")
        file.write("</set></set></array></projected></calculation></modeling>\n")
    return n_kpoints


def main(arguments: list[str] | None = None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.9, help="size of the file, GiB; default: %(default)s")
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vasprun.xml")
        n_kpoints = write(path, 1e7 if given.quick else given.gigabytes * 1024**3)
        size = path.stat().st_size / 1024**3
        done = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
    before, peak, seconds, kept = map(float, done.stdout.split())
    results.add(
        "reading",
        {
            "atoms": N_ATOMS,
            "k-points": n_kpoints,
            "bands": N_BANDS,
            "file (GiB)": size,
            "time (s)": seconds,
            "peak memory (GiB)": peak,
            "of the file": peak / size,
            "before reading (GiB)": before,
            "projections kept (GiB)": kept,
        },
    )


if __name__ == "__main__":
    main()
