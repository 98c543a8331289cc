"""Results line by line on disk: what was whole before a kill is there after it, and other work is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldosml._journal import Journal

HEADER = {"data": "abc", "seed": 0, "window": (-1.0, None)}
RECORDS = [{"name": name, "size": size, "loss": [size / 7]} for name in ("a", "b") for size in (10, 20)]


def opened(path, header=HEADER, work="census", key=("name", "size")):
    return Journal(path, work, header, key)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "log.jsonl"
    journal = opened(path)
    for record in RECORDS:
        journal.add(record)
    return path


def kept(journal):
    return [journal.find(name=record["name"], size=record["size"]) for record in RECORDS]


@pytest.mark.parametrize("on_disk", [True, False])
def test_records_are_found_by_their_keys(tmp_path, on_disk):
    journal = opened(tmp_path / "log.jsonl" if on_disk else None)
    assert journal.find(name="a", size=10) is None
    for record in RECORDS:
        journal.add(record)
    assert kept(journal) == RECORDS
    assert journal.find(size=20, name="b") == RECORDS[3]
    assert journal.find(name="c", size=10) is None
    assert bool(list(tmp_path.iterdir())) == on_disk


def test_each_record_is_on_disk_when_it_is_added(tmp_path):
    path = tmp_path / "log.jsonl"
    journal = opened(path)
    for count, record in enumerate(RECORDS, 1):
        journal.add(record)
        assert kept(opened(path))[:count] == RECORDS[:count]
        assert len(path.read_text().splitlines()) == 1 + count


@settings(deadline=None, max_examples=30)
@given(number=st.floats(allow_nan=False))
def test_numbers_come_back_to_the_last_digit(tmp_path_factory, number):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    opened(path, key=("x",)).add({"x": number, "y": [number]})
    assert opened(path, key=("x",)).find(x=number) == {"x": number, "y": [number]}


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_file_cut_anywhere_keeps_its_whole_lines(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    journal = opened(path)
    for record in RECORDS:
        journal.add(record)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    resumed = opened(path)
    n_kept = max(0, whole[:cut].count(b"\n") - 1)
    assert kept(resumed) == RECORDS[:n_kept] + [None] * (len(RECORDS) - n_kept)
    for record in RECORDS[n_kept:]:
        resumed.add(record)
    assert path.read_bytes() == whole


def test_a_record_that_is_added_twice_is_the_later_one(written):
    later = RECORDS[0] | {"loss": []}
    opened(written).add(later)
    assert kept(opened(written)) == [later, *RECORDS[1:]]


@pytest.mark.parametrize(
    "content",
    [b"hello\n", b"hello", b"\xff\xfe\n", b'{"format": "ldosml census"', b"\n", b"42"],
    ids=["text", "text without end", "bytes", "half another header", "empty line", "number"],
)
def test_foreign_files_are_refused_and_kept(tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"log\.jsonl is not the log of a poll.* Use another file"):
        opened(path, work="poll")
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", ["{", "[]", '"a"', "3", '{"name": "a"}', '{"name": [], "size": 1}', ""])
def test_a_damaged_line_is_refused_and_kept(written, line):
    lines = written.read_text().splitlines()
    lines[2] = line
    written.write_text("\n".join(lines) + "\n")
    content = written.read_bytes()
    with pytest.raises(ValueError, match=r"log\.jsonl: line 3 is damaged .*Delete this line"):
        opened(written)
    assert written.read_bytes() == content


def test_no_flipped_bit_passes_for_a_result(written):
    """Every bit of the file: it is told which line is damaged, or the last line counts as cut off by a kill."""
    content = written.read_bytes()
    ends = [place for place, byte in enumerate(content) if byte == ord("\n")]
    for bit in range(8 * len(content)):
        place = bit // 8
        flipped = content[:place] + bytes([content[place] ^ (1 << bit % 8)]) + content[place + 1 :]
        written.write_bytes(flipped)
        if place == ends[-1]:  # no line break at the end: a kill would leave the same
            assert kept(opened(written)) == [*RECORDS[:3], None]
        else:
            number = 1 + sum(end < place for end in ends)
            told = "is not the log of a census" if number == 1 else f"line {number} is damaged"
            with pytest.raises(ValueError, match=told):
                opened(written)
            assert written.read_bytes() == flipped


def test_without_a_damaged_line_all_others_are_kept(written):
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert kept(opened(written)) == [RECORDS[0], None, *RECORDS[2:]]


@pytest.mark.parametrize(
    ("header", "work", "differing"),
    [
        (HEADER | {"seed": 1}, "census", "seed"),
        (HEADER | {"seed": 1, "data": "x"}, "census", "data, seed"),
        (HEADER | {"new": None}, "census", "new"),
        ({"data": "abc", "seed": 0}, "census", "window"),
    ],
)
def test_other_work_is_refused_and_named(written, header, work, differing):
    content = written.read_bytes()
    with pytest.raises(ValueError, match=f"is the log of another {work}: {differing} differ. Use another file"):
        opened(written, header, work)
    assert written.read_bytes() == content


def test_the_log_of_another_kind_of_work_is_refused(written):
    with pytest.raises(ValueError, match=r"not the log of a poll, but of other work \('ldosml census'\)"):
        opened(written, work="poll")


@pytest.mark.parametrize("first", ["[]", '"text"', "3", "null"])
def test_a_first_line_that_is_no_header_is_refused(tmp_path, first):
    path = tmp_path / "log.jsonl"
    path.write_text(first + "\n")
    with pytest.raises(ValueError, match="census"):
        opened(path)
    assert path.read_text() == first + "\n"


def test_tuples_and_numpy_numbers_in_a_header_are_lists_and_numbers(written):
    assert kept(opened(written, HEADER | {"seed": np.int64(0), "window": np.array([-1.0, None])})) == RECORDS
    with pytest.raises(TypeError, match="cannot keep a set"):
        opened(written, HEADER | {"seed": {1}})


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "absent" / "log.jsonl")
    with pytest.raises(OSError, match="directory"):
        opened(tmp_path)
