import io
import os
import signal
import subprocess
import sys
import threading

import pytest

from ldosml import _files
from ldosml._files import check_writable, replacing, saved_or_kept, sole_writer, take_name, write_buffer


def test_appears_when_complete(tmp_path):
    path = tmp_path / "a"
    with replacing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a"
    with pytest.raises(FileExistsError, match="exists already"), replacing(path, overwrite=False) as file:
        path.write_bytes(b"theirs")
        file.write(b"ours")
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_threads_do_not_disturb_each_other(tmp_path):
    path, errors, barrier = tmp_path / "a", [], threading.Barrier(2)

    def write(content):
        try:
            with replacing(path) as file:
                barrier.wait(5)
                file.write(content)
                barrier.wait(5)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(content,)) for content in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_bytes() in (b"one", b"two")
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    message = r"make the folder .*nowhere first.*was not written"
    with pytest.raises(FileNotFoundError, match=message), replacing(tmp_path / "nowhere" / "set.h5"):
        pass


def test_a_buffer_is_written(tmp_path):
    write_buffer(tmp_path / "a", io.BytesIO(b"new"))
    assert (tmp_path / "a").read_bytes() == b"new"
    with pytest.raises(FileExistsError):
        write_buffer(tmp_path / "a", io.BytesIO(b"newer"), overwrite=False)


def test_an_error_keeps_no_view_of_the_buffer(tmp_path, monkeypatch):
    class FullDisk(io.BytesIO):
        def write(self, content):
            raise OSError("disk full")

    buffer = io.BytesIO(b"new")
    monkeypatch.setattr("ldosml._files.open", lambda *_: FullDisk(), raising=False)
    with pytest.raises(OSError, match="disk full") as raised:
        write_buffer(tmp_path / "a", buffer)
    assert raised.traceback  # whose frames hold what was passed to write
    buffer.close()  # BufferError while a view of it is alive


KILLED = """
import os, signal, sys
from pathlib import Path
from ldosml._files import replacing, sole_writer
with sole_writer(Path(sys.argv[1])), replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (tmp_path / ".a.1.1.tmp").write_bytes(b"theirs")
    assert len(list(tmp_path.iterdir())) == 3
    with replacing(tmp_path / "alive") as file:  # whose temporary is swept neither
        _files._swept.clear()
        write_buffer(path, io.BytesIO(b"new"))
        file.write(b"written")
    assert sorted(one.name for one in tmp_path.iterdir()) == [".a.1.1.tmp", "a", "alive"]
    assert (tmp_path / "alive").read_bytes() == b"written"


def test_one_writer_at_a_time(tmp_path):
    with sole_writer(tmp_path / "log"):
        with (
            pytest.raises(BlockingIOError, match=r"being written by another process.*log"),
            sole_writer(tmp_path / "log"),
        ):
            pass
        with sole_writer(tmp_path / "other"):
            pass
    with sole_writer(tmp_path / "log"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_name_is_taken_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    take_name(tmp_path / "a", tmp_path / "c", overwrite=False)
    with pytest.raises(FileExistsError, match="exists already"):
        take_name(tmp_path / "b", tmp_path / "c", overwrite=False)
    assert (tmp_path / "c").read_text() == "a"
    take_name(tmp_path / "b", tmp_path / "c", overwrite=True)
    assert (tmp_path / "c").read_text() == "b"


def test_a_disk_without_links_gives_the_name_too(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    write_buffer(tmp_path / "a", io.BytesIO(b"new"), overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_what_cannot_be_written_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("ldosml._files.gettempdir", lambda: str(tmp_path))

    def save(path):
        write_buffer(path, io.BytesIO(b"model"))

    with pytest.raises(OSError, match=r"nowhere.*kept: move it from (.*)\."):
        saved_or_kept(save, tmp_path / "nowhere" / "m.ldosml")
    (kept,) = tmp_path.iterdir()
    assert kept.read_bytes() == b"model"
    monkeypatch.setattr("ldosml._files.gettempdir", lambda: str(tmp_path / "nowhere"))
    with pytest.raises(OSError, match="it is lost"):
        saved_or_kept(save, tmp_path / "nowhere" / "m.ldosml")


def test_a_place_that_cannot_be_written_is_found_before(tmp_path, monkeypatch):
    check_writable(tmp_path / "missing" / "a")
    assert list(tmp_path.iterdir()) == []

    def refused(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("ldosml._files.open", refused, raising=False)
    with pytest.raises(OSError, match=r"Read-only.*another place: '.*/a'"):
        check_writable(tmp_path / "a")
