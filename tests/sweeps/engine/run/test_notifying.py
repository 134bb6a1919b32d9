"""`--notify`: real programs are told how a sweep ended, and none of them costs it anything."""

import contextlib
import dataclasses
import io
import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from segtrain.config import ConfigError
from sweeps.engine.ask.command_line import build_parser, chosen_options
from sweeps.engine.plan.actions import PlanError
from sweeps.engine.plan.study_file import write_study
from sweeps.engine.run.notifying import Notifier, call, notified
from tests.sweeps.engine.plan.test_replication import STUDY, finish, options

SMALL = STUDY.edit({"lr": (1e-3,), "arch": ("fcn8s",)})
DUMP = (
    "import json, os, sys; "
    "json.dump({k: v for k, v in os.environ.items() if k.startswith('SWEEP_')}, open(sys.argv[1], 'w'))"
)


def tell(out: Path, run: Callable[[Notifier], int], command: list[str] | None = None) -> tuple[dict[str, str], str]:
    """What a program was told of the end of `run`, and what was printed."""
    told, printed = out / "told.json", io.StringIO()
    words = command or [sys.executable, "-c", DUMP, str(told)]
    how = dataclasses.replace(options(out, None), notify=shlex.join(words))
    try:
        notified("grid", how, Console(file=printed, width=200), run)
    finally:
        text = json.loads(told.read_text()) if told.exists() else {}
    return text, printed.getvalue()


def test_a_program_is_told_how_it_ended(tmp_path: Path) -> None:
    trials = SMALL.expand()
    write_study(SMALL, trials, [], options(tmp_path, None))
    finish(tmp_path, trials[0], 0.5)
    told, printed = tell(tmp_path, lambda _: 0)
    assert (told.pop("SWEEP_FOLDER"), printed) == (str(tmp_path / "studies/grid"), "")
    assert told == {
        "SWEEP_OUTCOME": "incomplete", "SWEEP_STUDY": "grid", "SWEEP_TRIALS": "2", "SWEEP_FINISHED": "1",
        "SWEEP_FAILED": "0", "SWEEP_EXIT_CODE": "0", "SWEEP_CLAIMS": "", "SWEEP_DECIDED": "", "SWEEP_NEED": "",
        "SWEEP_MESSAGE": "",
    }  # fmt: skip
    finish(tmp_path, trials[1], 0.5)
    assert tell(tmp_path, lambda _: 0)[0]["SWEEP_OUTCOME"] == "finished"
    assert tell(tmp_path, lambda _: 130)[0]["SWEEP_OUTCOME"] == "interrupted"


def test_a_need_is_told_once_while_the_sweep_goes_on_and_how_many_claims_are_decided_at_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["sh", "-c", f'echo "$SWEEP_OUTCOME/$SWEEP_NEED/$SWEEP_MESSAGE/$SWEEP_DECIDED of $SWEEP_CLAIMS" >> {log}']

    def run(notifier: Notifier) -> int:
        notifier.needed("full disk", "the first")
        notifier.needed("full disk", "the second")
        notifier.needs["full disk"].join()
        notifier.needed("failed trial", "the third")
        notifier.claims = (1, 3)
        return 0

    tell(tmp_path, run, words)
    assert log.read_text().splitlines() == [
        "running/full disk/the first/ of ", "running/failed trial/the third/ of ", "finished///1 of 3",
    ]  # fmt: skip


def test_an_error_goes_on_after_it_was_told(tmp_path: Path) -> None:
    def run(_: Notifier) -> int:
        raise PlanError("$(touch taken) `id`; the data have changed")

    with pytest.raises(PlanError):
        tell(tmp_path, run)
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["SWEEP_OUTCOME"], told["SWEEP_EXIT_CODE"]) == ("error", "2")
    assert told["SWEEP_MESSAGE"] == "$(touch taken) `id`; the data have changed"


def test_one_that_fails_or_is_gone_changes_nothing_but_a_line(tmp_path: Path) -> None:
    assert tell(tmp_path, lambda _: 0, ["false"])[1] == "--notify: false ended with 1\n"
    gone = tell(tmp_path, lambda _: 0, ["/nonexistent/program"])[1]
    assert gone == "--notify: /nonexistent/program cannot be started (No such file or directory)\n"


def test_one_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    fifo = tmp_path / "ended"
    script = f"sleep 1000 & echo $! > {fifo}; wait"
    before = time.monotonic()
    assert call(["sh", "-c", script], {}, patience_s=1.0) == "sh took longer than 1 s, and was ended"
    assert time.monotonic() - before < 500
    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(int(fifo.read_text()))
        while child.status() != psutil.STATUS_ZOMBIE:  # its parent is gone, and there may be nobody who waits for it
            with contextlib.suppress(psutil.TimeoutExpired):
                child.wait(timeout=0.002)
            assert time.monotonic() - before < 500


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("mail 'x", '--notify is "mail \'x" (No closing quotation); give a program and its arguments, quoted once'),
        ("", "--notify is '', whose program is not found; give one that can be started"),
        (
            "no-such-program x",
            "--notify is 'no-such-program x', whose program is not found; give one that can be started",
        ),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_is(command: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen_options(build_parser(STUDY).parse_args(["--notify", command]))
    assert str(caught.value) == message


@pytest.mark.parametrize("words", [["--notify", "true https://a/KEY"], ["--notify=true https://a/KEY"]])
def test_what_it_says_is_written_nowhere(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["grid.py", *words, "--seeds", "2"])
    found = chosen_options(build_parser(STUDY).parse_args(words))
    assert found.notify == "true https://a/KEY"
    assert "KEY" not in found.command
    assert found.command.endswith("--seeds 2")
