"""Bad inputs by the thousand: damaged files and odd values of options, through the command line.

    python tests/bad_inputs.py --count 2000 --seed 1          # or --seconds 3600
    python tests/bad_inputs.py --seed 1 --only 17 --keep case   # one again, with its files

Every input may be accepted or refused. Refused means: exit code 1 or 2, and a message that names the file or the option
at fault and speaks of it, not of the inside of the program. Counted apart are messages that do not, tracebacks, raw
warnings, crashes, hangs, and memory above a gigabyte (no file here exceeds 5 MB). Each input runs in a process forked
from one that has imported everything, so that a thousand take minutes. Input ``n`` of a seed is always the same.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import written_runs
from ase import Atoms
from ase.build import bulk
from ase.io import write

import ldosml
from ldosml.cli import main as ldosml_command
from ldosml.cli.options import app

MEMORY = 1 << 30  # bytes that an input may take
HARD_MEMORY = 4 << 30  # beyond which allocation fails, so that the machine is not harmed
TIMEOUT = 60.0  # seconds

NUMBERS = ["nan", "inf", "-inf", "-1", "0", "1", "1.5", "1e300", "1e-300", "-1e300", "99999999999", "1e11"]
NUMBERS += ["abc", "1,5", "0x10", "********", "½"]
WORDS = ["", "nan", "-1", "1e300", "abc", "=1+1", "\x1b[31mred", "a" * 500, "é", "../..", "None", "a\x00b"]
JSON_VALUES = [None, -1, 0, 1.5, 1e300, float("nan"), "wide", "", [], {}, [[1]], True, 10**12]

# What only the inside of a program says.
_INNER = re.compile(
    r"Traceback|object has no attribute|not subscriptable|index out of range|out of bounds for axis|broadcast"
    r"|NoneType|invalid literal|could not convert|unsupported operand|math domain|cannot reshape|to unpack"
    r"|setting an array element|codec can't|<class|<function|0x[0-9a-f]{8}|unexpected keyword|std::|KeyError"
    r"|got an unexpected|too large to convert"
    r"|\(34, |positional argument|object is not|ufunc|dtype\(|Unable to synchronously|No module named"
    r"|zero-size array|Invalid location identifier|(^|: )'\w+'$"
)
_RAW_WARNING = re.compile(r"\w*Warning: ")


@dataclass(frozen=True)
class BadInput:
    """A command with something wrong: ``about`` is the file or the option, ``change`` what was done to it."""

    arguments: list[str]
    about: str
    change: str


@dataclass(frozen=True)
class Outcome:
    """What a command did: ``kind`` is accepted, refused, or one of the faults."""

    kind: str
    seconds: float
    megabytes: float
    told: str


# ------------------------------------------------------------------------------------------------ damaged files


def damage_text(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """One change of a text, and its description."""
    lines = text.splitlines(keepends=True) or [""]
    at = int(rng.integers(len(lines)))
    kind = rng.choice(["number", "number", "number", "token", "line", "twice", "swap", "cut", "word", "byte", "empty"])
    if kind == "number":
        places = list(re.finditer(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?", text))
        if places:
            place, new = places[rng.integers(len(places))], str(rng.choice(NUMBERS))
            return text[: place.start()] + new + text[place.end() :], f"{place.group()} -> {new}"
    if kind in ("token", "word"):
        places = list(re.finditer(r"[^\s<>=\"',]+", text))
        if places:
            place, new = places[rng.integers(len(places))], "" if kind == "token" else WORDS[rng.integers(len(WORDS))]
            return text[: place.start()] + new + text[place.end() :], f"{place.group()[:30]!r} -> {new[:30]!r}"
    if kind == "line":
        return "".join(lines[:at] + lines[at + 1 :]), f"without line {at + 1}"
    if kind == "twice":
        return "".join(lines[: at + 1] + lines[at:]), f"line {at + 1} twice"
    if kind == "swap":
        other = int(rng.integers(len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
        return "".join(lines), f"lines {at + 1} and {other + 1} exchanged"
    if kind == "empty":
        return "", "empty"
    cut = int(rng.integers(len(text) + 1))
    if kind == "byte":
        return text[:cut] + chr(rng.integers(256)) + text[cut + 1 :], f"another character at {cut}"
    return text[:cut], f"cut at {cut}"


def damage_bytes(content: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """One change of any file."""
    at = int(rng.integers(len(content) + 1))
    kind = rng.choice(["flip", "flip", "cut", "zeros", "empty", "insert"])
    if kind == "flip" and at < len(content):
        return content[:at] + bytes([content[at] ^ (1 << rng.integers(8))]) + content[at + 1 :], f"a bit at {at}"
    if kind == "zeros":
        return content[:at] + bytes(len(content[at : at + 512])) + content[at + 512 :], f"zeros at {at}"
    if kind == "insert":
        return content[:at] + rng.bytes(7) + content[at:], f"seven bytes at {at}"
    return (b"", "empty") if kind == "empty" else (content[:at], f"cut at {at}")


def damage_json(value: object, rng: np.random.Generator) -> tuple[object, str]:
    """One entry of nested lists and dictionaries left out or replaced."""
    places: list[tuple[object, object]] = []

    def walk(part: object) -> None:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, inner in items:
            places.append((part, key))
            walk(inner)

    walk(value)
    if not places:
        return JSON_VALUES[rng.integers(len(JSON_VALUES))], "replaced"
    part, key = places[rng.integers(len(places))]
    if rng.random() < 0.2:
        del part[key]  # type: ignore[attr-defined]
        return value, f"without {key!r}"
    part[key] = JSON_VALUES[rng.integers(len(JSON_VALUES))]  # type: ignore[index]
    return value, f"{key!r} = {part[key]!r}"  # type: ignore[index]


def damage_array(array: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One change of the values, shape or type of an array."""
    kinds: dict[str, Callable[[], np.ndarray]] = {
        "a row less": lambda: np.atleast_1d(array)[:-1],
        "an axis more": lambda: array[..., None],
        "transposed": lambda: array.T,
        "as text": lambda: array.astype(str),
        "complex": lambda: array.astype(complex),
        "empty": lambda: np.atleast_1d(array)[:0],
        "a scalar": lambda: np.array(1.0),
        "small whole numbers": lambda: array.astype(np.int8),
        "negative": lambda: -np.abs(array),
        "zeros": lambda: np.zeros_like(array),
        "reversed": lambda: np.atleast_1d(array)[::-1],
        "twice": lambda: np.concatenate([np.atleast_1d(array)] * 2),
        **{f"with {bad}": (lambda bad=bad: _with(array, bad, rng)) for bad in (np.nan, np.inf, -1.0, 1e300)},
    }
    name = str(rng.choice(list(kinds)))
    try:
        return kinds[name](), name
    except (TypeError, ValueError):
        return np.array(["text"]), "a word"


def _with(array: np.ndarray, bad: float, rng: np.random.Generator) -> np.ndarray:
    changed = np.array(array, dtype=float)
    if changed.size:
        changed.reshape(-1)[rng.integers(changed.size)] = bad
    return changed


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype == object)
    return stream.getvalue()


def _huge_npy(rng: np.random.Generator) -> bytes:
    """The header of an array of 80 GB, and no values."""
    stream = io.BytesIO()
    shape = (10**10,) if rng.random() < 0.5 else (10**5, 10**5)
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def damage_zip(content: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """One member of a zip file (.npz, .ldosml) left out or changed."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = str(rng.choice(list(members)))
    inner = members[name]
    if rng.random() < 0.1:
        del members[name]
        change = "left out"
    elif name.endswith(".npy") and rng.random() < 0.9:
        if rng.random() < 0.1:
            members[name], change = _huge_npy(rng), "80 GB by its header"
        elif rng.random() < 0.1:
            members[name], change = _npy(np.array([{"a": 1}], dtype=object)), "a pickle"
        else:
            array, change = damage_array(np.load(io.BytesIO(inner)), rng)
            members[name] = _npy(array)
    elif name.endswith(".json") and rng.random() < 0.9:
        value, change = damage_json(json.loads(inner), rng)
        members[name] = json.dumps(value).encode()
    else:
        members[name], change = damage_bytes(inner, rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for key, value in members.items():
            file.writestr(key, value)
    return stream.getvalue(), f"{name}: {change}"


def damage_hdf5(path: Path, rng: np.random.Generator) -> str:
    """One dataset or attribute of an HDF5 file left out or changed, in place."""
    with h5py.File(path, "r+") as file:
        places: list[tuple[str, str | None]] = [("/", key) for key in file.attrs]
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            places += [(name, None), *((name, key) for key in file[name].attrs)]
        name, key = places[rng.integers(len(places))]
        if key is not None:
            value = file[name].attrs[key]
            if isinstance(value, str) and value[:1] in "[{" and rng.random() < 0.7:
                changed, change = damage_json(json.loads(value), rng)
                file[name].attrs[key] = json.dumps(changed)
                return f"{name}@{key}: {change}"
            new = [*NUMBERS[:6], -1, 10**12, np.zeros(3), "wide"][rng.integers(10)]
            del file[name].attrs[key]
            if rng.random() < 0.8:
                file[name].attrs[key] = new
            return f"{name}@{key} = {new!r}"
        if isinstance(file[name], h5py.Group) or rng.random() < 0.15:
            del file[name]
            return f"without {name}"
        attributes, kind = dict(file[name].attrs), file[name].dtype
        if rng.random() < 0.15:
            shape = (10**6, *(max(length, 10**4) for length in file[name].shape[1:]))
            del file[name]
            file.create_dataset(name, shape=shape, dtype=kind, chunks=True)
            change = f"shape {shape} without values"
        else:
            values = file[name][()]
            array, change = damage_array(np.asarray(values, dtype=float if kind.kind in "fiu" else object), rng)
            del file[name]
            if array.dtype.kind in "UO":  # text of files comes as bytes
                texts = [x.decode(errors="replace") if isinstance(x, bytes) else str(x) for x in array.ravel()]
                array = np.array(texts, dtype=object).reshape(array.shape)
                file.create_dataset(name, data=array, dtype=h5py.string_dtype())
            else:
                file[name] = array
        file[name].attrs.update(attributes)
        return f"{name}: {change}"


def damage_safetensors(content: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """The header of a file of weights changed, or its bytes."""
    if rng.random() < 0.3:
        return damage_bytes(content, rng)
    size = int.from_bytes(content[:8], "little")
    header, where = json.loads(content[8 : 8 + size]), ""
    metadata = header.get("__metadata__", {})
    texts = [key for key, text in metadata.items() if text[:1] in "[{"]
    if texts and rng.random() < 0.7:
        where = str(rng.choice(texts))
        value, change = damage_json(json.loads(metadata[where]), rng)
        metadata[where] = json.dumps(value)
    else:
        header, change = damage_json(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :], f"{where} {change}"


def damage(path: Path, rng: np.random.Generator) -> str:
    """Change a file in place; gives a description."""
    raw = rng.random() < 0.15
    if path.suffix in (".h5", ".hdf5") and not raw:
        return damage_hdf5(path, rng)
    content = path.read_bytes()
    if path.suffix in (".npz", ".ldosml") and not raw:
        content, change = damage_zip(content, rng)
    elif path.suffix == ".safetensors" and not raw:
        content, change = damage_safetensors(content, rng)
    elif b"\x00" not in content[:4096] and not raw:
        text, change = damage_text(content.decode(), rng)
        content = text.encode("utf-8", "surrogatepass")
    else:
        content, change = damage_bytes(content, rng)
    path.write_bytes(content)
    return change


# ------------------------------------------------------------------------------------------------------ commands


def make_files(folder: Path) -> None:
    """Small valid inputs of every kind."""
    data = ldosml.load_dataset("silicon")
    few = data.select([i for i, atoms in enumerate(data.structures) if len(atoms) <= 4][:12])
    few.save(folder / "set.h5")
    few.select(slice(0, 6)).save(folder / "part.h5")
    grid = few.grid
    write(folder / "frames.xyz", [Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in few.structures])
    np.savez(
        folder / "spectra.npz",
        energies=grid.energies,
        ldos=few.ldos.values,
        fermi_energy=few.fermi_energy,
        n_electrons=few.n_electrons,
        energy_max=few.energy_max,
    )
    model = ldosml.DOSModel(ldosml.SOAP(r_cut=4.0, n_max=2, l_max=1), ldosml.LDOSKernelRidge(alpha=1e-3), high=5.0)
    model.fit(few.select(slice(0, 10)))
    model.save(folder / "model.ldosml")
    ldosml_command(["predict", str(folder / "model.ldosml"), str(folder / "frames.xyz"), "-o", str(folder / "dos.npz")])
    crystal = bulk("Si", "diamond", 5.43)
    write(folder / "crystal.cif", crystal)
    write(folder / "POSCAR", crystal, format="vasp")
    for name, case in (("plain", written_runs.Case()), ("spins", written_runs.Case(n_spins=2))):
        for code in ("vasprun", "procar", "espresso", "arrays", "siesta", "cp2k", "aims"):
            run = folder / "runs" / f"{code}-{name}"
            run.mkdir(parents=True)
            _write_run(code, run, case)
    shutil.copy(Path(ldosml.__file__).parents[1] / "data" / "tight-binding.safetensors", folder / "bands.safetensors")


def _write_run(code: str, run: Path, case: written_runs.Case) -> None:
    if code == "vasprun":
        written_runs.write_vasprun(run / "vasprun.xml", case)
    elif code == "procar":
        written_runs.write_procar(run, case)
        written_runs.write_eigenval(run, case)
    elif code == "espresso":
        written_runs.write_espresso(run, case)
    elif code == "arrays":
        written_runs.write_arrays(run / "bands.npz", case)
    elif code == "siesta":
        written_runs.write_siesta(run, case)
    elif code == "cp2k":
        written_runs.write_cp2k(run, case)
    else:
        written_runs.write_fhi_aims(run, case.n_spins)


_FAST = ["--descriptor", "soap", "--r-cut", "4", "--n-max", "2", "--l-max", "1"]
# Commands, files in braces.
COMMANDS: list[list[str]] = [
    ["info", "{set.h5}"],
    ["info", "{model.ldosml}"],
    ["info", "{bands.safetensors}"],
    ["fit", "{set.h5}", "-o", "out.ldosml", "--high", "5", *_FAST],
    ["fit", "{set.h5}", "-o", "out.ldosml", "--learn", "dos", "--high", "5", *_FAST],
    ["predict", "{model.ldosml}", "{frames.xyz}", "-o", "out.npz"],
    ["predict", "{model.ldosml}", "{POSCAR}", "-o", "out.h5"],
    ["import", "{frames.xyz}", "{spectra.npz}", "-o", "out.h5", "--zero", "code"],
    ["properties", "{dos.npz}", "-o", "out.csv"],
    ["properties", "{part.h5}", "-o", "out.json"],
    ["properties", "{model.ldosml}", "{frames.xyz}", "-T", "300,1000"],
    ["report", "{model.ldosml}", "{part.h5}", "-o", "out"],
    ["sweep", "{set.h5}", "-o", "out", "--r-cut", "3", "--mode", "complete", "--folds", "2", "--high", "5", *_FAST[4:]],
    ["learning-curve", "{set.h5}", "-o", "out", "--folds", "2", "--high", "5", *_FAST],
    ["errors", "{set.h5}", "-o", "out", "--folds", "2", "--high", "5", *_FAST],
    ["transfer", "{set.h5}", "{part.h5}", "-o", "out", "--high", "5", *_FAST],
    ["bands", "{crystal.cif}", "-o", "out", "--n-kpoints", "10", "--mesh", "2"],
    ["bands", "{POSCAR}", "--model", "{bands.safetensors}", "-o", "out", "--n-kpoints", "10", "--mesh", "2"],
    ["dos", "{crystal.cif}", "-o", "out", "--mesh", "2"],
    *(["import", "{runs/" + code + "}", "-o", "out.h5"] for code in ("vasprun", "procar", "espresso", "arrays")),
    *(["import", "{runs/" + code + "}", "-o", "out.h5"] for code in ("siesta", "cp2k", "aims")),
]


def _files(words: Sequence[str], rng: np.random.Generator, folder: Path) -> tuple[list[str], list[Path]]:
    """The words of a command with the paths of files in place of braces, and these files."""
    spelled, files = [], []
    for word in words:
        if word.startswith("{"):
            path = folder / word[1:-1]
            if word.startswith("{runs/"):
                path = path.with_name(f"{path.name}-{rng.choice(['plain', 'spins'])}")
            files += sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
            word = str(path)
        elif word == "out" or word.startswith("out."):
            word = str(folder / word)
        spelled.append(word)
    return spelled, files


def _odd_option(command: str, rng: np.random.Generator) -> tuple[list[str], str]:
    """A numeric, text or path option of a command with an odd value."""
    import typer

    options = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    skipped = {"help", "format", "json", "scheduler", "device", "overwrite"}
    chosen = [p for p in options if p.param_type_name == "option" and not p.is_flag and p.name not in skipped]
    option = chosen[rng.integers(len(chosen))]
    value = str(rng.choice(NUMBERS)) if rng.random() < 0.7 else WORDS[rng.integers(len(WORDS))]
    return [f"{option.opts[0]}={value}".replace("\x00", "")], option.opts[0]


def bad_input(seed: int, number: int, folder: Path) -> BadInput:
    """The bad input of this number; its files are damaged in place, so ``folder`` is a copy."""
    rng = np.random.default_rng([seed, number])
    words = COMMANDS[rng.integers(len(COMMANDS))]
    arguments, files = _files(words, rng, folder)
    if rng.random() < 0.25:
        extra, option = _odd_option(words[0], rng)
        return BadInput([*arguments, *extra], option, extra[0])
    path = files[rng.integers(len(files))]
    return BadInput(arguments, path.name, f"{path.name}: {damage(path, rng)}")


# ------------------------------------------------------------------------------------------------------- outcome


def outcome(bad: BadInput, folder: Path, timeout: float = TIMEOUT) -> Outcome:
    """Run a bad input in a process of its own and tell what became of it."""
    before, start = _resident(), time.monotonic()
    told = folder / "told"
    child = os.fork()
    if child == 0:
        _in_child(bad.arguments, told)
    status, usage, hung = _wait(child, start + timeout)
    seconds, memory = time.monotonic() - start, usage.ru_maxrss * 1024 - before
    text = told.read_text(errors="replace")
    return Outcome(_kind(bad, status, text, hung, memory), seconds, memory / 1e6, text)


def _in_child(arguments: list[str], told: Path) -> None:
    """Run the command line; never returns."""
    code = 70
    try:
        os.setsid()
        file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")  # pytest has its own in their place
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + HARD_MEMORY, size + HARD_MEMORY))
        os.environ["COLUMNS"] = "1000"
        warnings.resetwarnings()  # pytest makes them errors
        os.chdir(told.parent)
        code = ldosml_command(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _wait(child: int, end: float) -> tuple[int, resource.struct_rusage, bool]:
    pause, hung = 0.005, False
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return status, usage, hung
        if not hung and time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            hung = True
        time.sleep(pause)
        pause = min(1.5 * pause, 0.1)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _kind(bad: BadInput, status: int, told: str, hung: bool, memory: float) -> str:
    if hung:
        return "hang"
    if os.WIFSIGNALED(status):
        return "crash"
    if "Traceback" in told:
        return "traceback"
    if memory > MEMORY:
        return "memory"
    if _RAW_WARNING.search(told):
        return "raw warning"
    if os.WEXITSTATUS(status) == 0:
        return "accepted"
    return "refused" if _clear(bad, told) else "unclear"


def _clear(bad: BadInput, told: str) -> bool:
    """Whether the last message names what is at fault, and speaks of the inside of the program in brackets at most."""
    message = " " + told.rsplit("ldosml: ", 1)[-1]
    names = [bad.about, bad.about.split(".")[0]]
    if bad.about.startswith("-"):
        value = bad.change.split("=", 1)[1]
        names += [repr(value), f" {value}", "value for '--"]  # another option may be at fault with this value
    if bad.arguments[0] == "import":
        names.append(Path(bad.arguments[1]).name)  # the folder of a run that lacks a file
    return any(len(name) > 1 and name in message for name in names) and not _INNER.search(_without_brackets(message))


def _without_brackets(text: str) -> str:
    while (shorter := re.sub(r"\([^()]*\)", "", text)) != text:
        text = shorter
    return text


def attack(
    seed: int, numbers: Sequence[int], seconds: float = np.inf, timeout: float = TIMEOUT, keep: Path | None = None
) -> Iterator[tuple[int, BadInput, Outcome]]:
    """Run inputs of these numbers until the time is up."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary, "base")
        base.mkdir()
        if (child := os.fork()) == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.dup2(2, 1)
            try:
                make_files(base)
            except BaseException:
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise RuntimeError("the valid inputs could not be written")
        for number in numbers:
            if time.monotonic() > end:
                break
            folder = keep or Path(temporary, "case")
            shutil.copytree(base, folder)
            bad = bad_input(seed, number, folder)
            yield number, bad, outcome(bad, folder, timeout)
            if keep is None:
                shutil.rmtree(folder, ignore_errors=True)


FAULTS = ("unclear", "traceback", "raw warning", "crash", "hang", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10**9, help="number of inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seconds", type=float, default=np.inf, help="stop after this time")
    parser.add_argument("--only", type=int, help="one input again, with all that it tells")
    parser.add_argument("--keep", type=Path, help="folder for its files; must not exist")
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.count) if given.only is None else [given.only]
    if len(numbers) == 10**9 and given.seconds == np.inf:
        parser.error("give --count or --seconds")
    found = []
    for number, bad, result in attack(given.seed, numbers, given.seconds, keep=given.keep):
        found.append(result)
        if result.kind in FAULTS or given.only is not None:
            last = " ".join(result.told.strip().split("\n")[-1].split())[-400:]
            words = " ".join(bad.arguments)[:160]
            print(f"{number} {result.kind}: ldosml {words} [{bad.change[:100]}]\n    {last}", flush=True)
            if given.only is not None:
                print(result.told)
    counts = Counter(result.kind for result in found)
    slowest = max((result.seconds for result in found), default=0)
    largest = max((result.megabytes for result in found), default=0)
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("accepted", "refused", *FAULTS)))
    print(f"{len(found)} inputs; slowest {slowest:.1f} s, largest {largest:.0f} MB")


if __name__ == "__main__":
    main()
