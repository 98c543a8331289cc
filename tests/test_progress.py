"""What is shown of work that takes long, by the time of a clock that the tests move."""

import io

import pytest
from rich.console import Console

from ldosml import progress as module
from ldosml.progress import PERIOD, Lines, duration, progress


class Clock:
    """Moves by as long as somebody waits; the work ends after so many waits."""

    def __init__(self, waits, during=lambda number: None):
        self.time, self.left, self.during = 1000.0, waits, during

    def __call__(self):
        return self.time

    def wait(self, seconds):
        self.time += seconds
        self.left -= 1
        self.during(self.left)
        return self.left < 0


def told(waits, during=lambda lines, left: None):
    said = []
    clock = Clock(waits, lambda left: during(lines, left))
    lines = Lines("Fitting", said.append, clock=clock, wait=clock.wait)
    lines.run()
    return said


def test_a_line_every_half_minute_though_nothing_moves():
    assert PERIOD <= 30
    assert told(8) == [f"Fitting: {text} so far" for text in ("30 s", "60 s", "90 s", "2 min 0 s")] + [
        f"Fitting: {text} so far" for text in ("2 min 30 s", "3 min 0 s", "3 min 30 s", "4 min 0 s")
    ]


def test_work_that_ends_soon_says_nothing():
    assert told(0) == []


def test_a_line_says_how_far_it_is():
    def during(lines, left):
        if left == 1:
            lines.advance(3, 12000, "dos, fold 2")

    assert told(2, during) == [
        "Fitting: 3 of 12,000 done; 30 s so far; last: dos, fold 2",
        "Fitting: 3 of 12,000 done; 60 s so far; last: dos, fold 2",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, period=60.0, file=io.StringIO):
    """What a console of some kind gets while two parts are done."""
    monkeypatch.setattr(module, "PERIOD", period)
    console = Console(file=file(), width=80)
    with progress("Predicting", console=console) as advance:
        advance(1, 2)
        if period < 1:
            while "done" not in console.file.getvalue():
                pass
        advance(2, 2)
    return console.file.getvalue()


def test_a_file_gets_lines_and_no_bar(monkeypatch):
    assert shown(monkeypatch) == ""
    text = shown(monkeypatch, period=0.001)
    assert "Predicting: 1 of 2 done; " in text
    assert "\x1b" not in text


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    text = shown(monkeypatch, file=Terminal)
    assert "Predicting" in text
    assert "2/2" in text


def test_a_command_in_a_notebook_gets_no_bar(monkeypatch):
    """The kernel sets both; the notebook would keep every state of the bar."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(monkeypatch) == ""
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert shown(monkeypatch, file=Terminal) == ""


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_gets_a_bar_where_it_can_show_one(monkeypatch, widgets):
    asked = []
    monkeypatch.setattr(module, "find_spec", lambda name: asked.append(name) or (name if widgets else None))
    drawn = []
    monkeypatch.setattr("rich.live.Live.refresh", lambda self: drawn.append(self))
    console = Console(file=io.StringIO(), force_jupyter=True)
    with progress("Predicting", console=console) as advance:
        advance(1, 2)
    assert asked == ["ipywidgets"]
    assert bool(drawn) == widgets


def test_the_thread_ends_with_the_work_also_when_it_fails():
    lines = Lines("Fitting", lambda line: None, period=1000.0)
    with pytest.raises(OSError, match="disk"), lines:
        raise OSError("disk")
    assert not lines._thread.is_alive()


def test_durations():
    assert [duration(s) for s in (0.5, 99, 100, 3600)] == ["0.5 s", "99 s", "1 min 40 s", "1 h 0 min"]
