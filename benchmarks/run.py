"""Run the scripts of benchmarks/, paper_figures/ and crystal_figures/ one after another, and collect their results.

    python benchmarks/run.py [NAME...] [--quick] [--list] [--folder FOLDER] [--data FOLDER]

NAME is a script (silicon_folds) or a folder (paper_figures); default: all. The runner executes the commands in the
docstring of each script, without their optional parts, each in a process of its own. A command that needs something
that was not given (FOLDER without --data, MODEL) is skipped, and with --quick a script that has no quick run. The
results of a script go to FOLDER/SCRIPT, its output to FOLDER/SCRIPT/output.txt; FOLDER/runs.json says how each command
ended, with its time, the machine, versions and date. The exit code is 1 where a command failed.
"""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("benchmarks", "paper_figures", "crystal_figures")


def scripts() -> dict[str, Path]:
    """All scripts by name: the files that can be started, but not this one."""
    files = (path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py")))
    return {path.stem: path for path in files if "__main__" in path.read_text() and path.name != "run.py"}


def docstring(path: Path) -> str:
    """The docstring of a script, which is not executed."""
    return ast.get_docstring(ast.parse(path.read_text()), clean=False) or ""


def commands(path: Path, data: Path | None) -> list[list[str]]:
    """Arguments of each command that a docstring gives; --data only where it is given."""
    found = []
    for line in re.findall(rf"^    .*python {path.parent.name}/{path.name}(.*)", docstring(path), re.MULTILINE):
        line = line.split("#")[0]
        if data is not None:
            line = re.sub(r"\[?--data FOLDER\]?", f"--data {shlex.quote(str(data))}", line)
        found.append(shlex.split(re.sub(r"\[[^]]*\]", "", line)))
    return found


def takes(path: Path, option: str) -> bool:
    """Whether a script has an option, its own or from the module that its folder shares."""
    text = path.read_text()
    return f'"{option}"' in text or "machine.parser(" in text or "settings.main(" in text


def chosen(names: list[str]) -> dict[str, Path]:
    """Scripts of these names, or in these folders."""
    known = scripts()
    unknown = set(names) - set(known) - set(FOLDERS)
    if unknown:
        sys.exit(f"No script or folder is named {', '.join(sorted(unknown))}; --list shows all scripts.")
    return {name: path for name, path in known.items() if not names or {name, path.parent.name} & set(names)}


def execute(path: Path, arguments: list[str], folder: Path, quick: bool) -> dict[str, object]:
    """Run one command; say how it ended."""
    row = {"script": path.stem, "arguments": " ".join(arguments)}
    missing = [word for word in arguments if word.isupper()]
    if missing:
        return row | {"outcome": f"skipped: needs {', '.join(missing)}", "seconds": 0.0}
    if quick and not takes(path, "--quick"):
        return row | {"outcome": "skipped: has no quick run", "seconds": 0.0}
    own = folder / path.stem
    own.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(path), *arguments, *["--quick"] * quick]
    if takes(path, "--folder"):
        command += ["--folder", str(own)]
    seconds, done = machine.timed(
        lambda: subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    )
    with (own / "output.txt").open("a") as file:
        file.write(f"$ {shlex.join(command[1:])}\n{done.stdout}\n")
    last = done.stdout.strip().rpartition("\n")[2]
    return row | {"outcome": "done" if done.returncode == 0 else f"failed: {last}", "seconds": round(seconds, 1)}


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scripts, or folders; default: all")
    parser.add_argument("--list", action="store_true", help="list the scripts and what each shows, and stop")
    parser.add_argument("--data", type=Path, help="folder of data that others computed (not shipped)")
    given = parser.parse_args(arguments)
    paths = chosen(given.names)
    if given.list:
        for name, path in paths.items():
            print(f"{path.parent.name + '/' + name:40} {docstring(path).partition(chr(10))[0]}")
        return
    results = machine.Results("runs", given)
    for path in paths.values():
        for words in commands(path, given.data):
            results.add("commands", execute(path, words, given.folder.resolve(), given.quick))
    if any(str(row["outcome"]).startswith("failed") for row in results.tables["commands"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
