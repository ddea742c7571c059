"""What a run shows on stderr."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from r1kit.core.errors import TrainingError
from r1kit.tracking import screen
from r1kit.tracking.screen import PlainMeter, duration_text, say, show_progress, status_text
from r1kit.tracking.tracker import Tracker


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_status_gives_count_rate_times_and_values() -> None:
    text = status_text(30, 60, "step", 15.0, {"reward": 0.41234, "tokens": 1234.5, "stage": "sft"})
    assert text == "30/60 step, 2.0 step/s, 0:15 passed, 0:15 left, reward 0.412, tokens 1234, stage sft"


@pytest.mark.parametrize(
    ("done", "elapsed", "text"),
    [
        (0, 5.0, "0/4 step, 0:05 passed"),
        (1, 4.0, "1/4 step, 4.0 s/step, 0:04 passed, 0:12 left"),
        (4, 0.0, "4/4 step, 0:00 passed"),
        (4, 0.002, "4/4 step, 2,000 step/s, 0:00 passed"),
        (5, 10.0, "5/4 step, 2.0 s/step, 0:10 passed"),
    ],
)
def test_status_says_only_what_is_known(done: int, elapsed: float, text: str) -> None:
    assert status_text(done, 4, "step", elapsed, {}) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3661, "1:01:01")]
)
def test_durations_read_as_clocks(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_plain_progress_writes_every_ten_seconds_and_at_the_end() -> None:
    clock, lines = Clock(), []
    meter = PlainMeter("grpo", 40, "step", clock, lines.append)
    for _ in range(21):
        clock.now += 1.0
        meter.advance(reward=0.5)
    meter.close()
    assert [line.split(",")[0] for line in lines] == [
        "grpo: 10/40 step",
        "grpo: 20/40 step",
        "grpo: 21/40 step",
    ]
    assert lines[0] == "grpo: 10/40 step, 1.0 step/s, 0:10 passed, 0:30 left, reward 0.5"


def test_plain_progress_does_not_repeat_its_last_line() -> None:
    clock, lines = Clock(), []
    meter = PlainMeter("grpo", 2, "step", clock, lines.append)
    clock.now += 20.0
    meter.advance(2)
    meter.close()
    assert lines == ["grpo: 2/2 step, 10.0 s/step, 0:20 passed"]


def test_lines_and_progress_go_to_stderr_and_stdout_stays_free(capsys: pytest.CaptureFixture[str]) -> None:
    say("model [bold] qwen")
    with show_progress("sft", total=2, unit="step") as meter:
        meter.advance(2, loss=0.25)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("model [bold] qwen\nsft: 2/2 step")
    assert captured.err.endswith("loss 0.25\n")


def test_the_last_line_is_written_when_the_work_breaks_off(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with show_progress("sft", total=9, unit="step") as meter:
            meter.advance(4)
            raise TrainingError("the loss is not finite")

    with pytest.raises(TrainingError):
        work()
    assert "sft: 4/9 step" in capsys.readouterr().err


def test_a_terminal_gets_bars_even_one_inside_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "screen").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr(screen, "SCREEN", Console(file=file, force_terminal=True, width=120))
        with show_progress("grpo", total=2, unit="step") as outer:
            with show_progress("sample", total=8, unit="completion") as inner:
                inner.advance(8)
            say("step 1: fine")
            outer.advance(2, reward=0.75)
        file.seek(0)
        shown = file.read()
    assert "8/8 completion" in shown
    assert "2/2 step" in shown
    assert "reward 0.75" in shown
    assert "step 1: fine" in shown


def test_a_quiet_run_shows_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Tracker(tmp_path, stage="sft", config={}, seed=0, quiet=True) as tracker:
        tracker.say("hello")
        with tracker.progress("sft", 3, "step") as meter:
            meter.advance(3, loss=0.1)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
