"""Check what a wheel and an sdist hold: every file of the package and every shipped data set, and nothing else."""

import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path, PurePosixPath

DATA = {".h5", ".npz", ".safetensors"}
BESIDE = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.cfg"}
MADE = {"INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
LARGEST = 100e6
"""What the Python package index takes for one file, bytes."""


def package_files(source: Path) -> set[str]:
    """Paths of the package's own files under ``source``: code, stubs, templates and tables."""
    files = (path for path in (source / "ldosml").rglob("*") if path.is_file())
    return {path.relative_to(source).as_posix() for path in files if "__pycache__" not in path.parts}


def data_files(source: Path) -> set[str]:
    """Names of the data sets and weights in ``source``/data."""
    return {path.name for path in (source / "data").iterdir() if path.suffix in DATA}


def check_same(what: str, found: Iterable[str], expected: Iterable[str]) -> None:
    """Stop unless ``found`` is what is ``expected``."""
    found, expected = set(found), set(expected)
    lines = [f"lacks {name}; is it in setup.cfg or MANIFEST.in?" for name in sorted(expected - found)]
    lines += [f"has {name}, which is not part of it" for name in sorted(found - expected)]
    if lines:
        sys.exit("\n".join(f"The {what} {line}" for line in lines))


def check_wheel(wheel: Path, source: Path) -> None:
    """Stop unless the wheel has every file of the package, the data sets, its metadata, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        information = next(str(PurePosixPath(name).parent) for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(f"{information}/METADATA").decode())
    expected = package_files(source) | {f"ldosml/shipped/{name}" for name in data_files(source)}
    made = {f"{information}/{name}" for name in MADE}
    check_same("wheel", names, expected | (made & set(names)))
    for field in ("License-Expression", "Requires-Python", "Keywords", "Description-Content-Type"):
        if field not in metadata:
            sys.exit(f"The wheel's metadata lack {field}.")


def check_sdist(sdist: Path, source: Path) -> None:
    """Stop unless the sdist has what a wheel is built from and nothing else."""
    with tarfile.open(sdist) as archive:
        names = [member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()]
    made = {name for name in names if name.startswith("ldosml.egg-info/") or name == "PKG-INFO"}
    expected = package_files(source) | {f"data/{name}" for name in data_files(source)} | BESIDE
    check_same("sdist", names, expected | made)


def main(source: Path, folder: Path) -> None:
    """Check the wheel and the sdist in ``folder``, which were built from ``source``."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    check_wheel(wheel, source)
    check_sdist(sdist, source)
    for file in (wheel, sdist):
        size = file.stat().st_size
        print(f"{file.name}: {size / 1e6:.1f} MB")
        if size > LARGEST:
            sys.exit(f"{file.name} is larger than {LARGEST / 1e6:.0f} MB, the most that the package index takes.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
