import io
import threading

import pytest

from ldosml._files import replacing, write_buffer


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
