"""A study is watched: with a real server, asked by sockets and by a real browser of a phone's size."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from filelock import FileLock
from playwright.sync_api import sync_playwright

from analysis.__main__ import main
from analysis.watch.current_report import CurrentReport
from analysis.watch.live_page import LivePage
from analysis.watch.server import Server
from segtrain import records
from tests.analysis.conftest import StudyBuilder

NASTY = "<script>document.title='taken'</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CLAIM = {"text": f"A holds {NASTY}", "left": {"arch": "fcn8s"}, "right": {"arch": "fcn32s"}, "source": "here"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two archs over three seeds have finished, one trial runs, one waits, one has failed, one was stopped."""
    builder = StudyBuilder(tmp_path_factory.mktemp("watch") / "out")
    for seed in range(3):
        builder.trial(test=0.6 + seed / 100, seed=seed)
        builder.trial(test=0.3 + seed / 50, seed=seed, arch="fcn32s")
    builder.trial([0.1, 0.2], state="running", lr=0.1, extra={"epoch_s": 2.0})
    builder.enter(builder.config(lr=0.2))
    builder.trial([0.1], state="failed", lr=0.3, reason=f"ValueError: {NASTY}")
    builder.trial([0.1], state="stopped", lr=0.4, reason="stopped by me")
    unseen = {"text": "U holds", "left": {"arch": "unet"}, "right": {"arch": "fcn32s"}, "source": "here"}
    return builder.write(title=f"A study {NASTY}", claims=[CLAIM, unseen])


@pytest.fixture(scope="module")
def server(study: Path) -> Iterator[Server]:
    """With a report; the running trial is held by this process."""
    report = CurrentReport(study, every_s=3600)
    assert report.refresh()
    (running,) = [path.parent for path in study.parents[1].glob("trials/*lr0.1-*/status.json")]
    with FileLock(running / records.LOCK_FILE), Server("127.0.0.1", 0, LivePage(report)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: Server, path: str, method: str = "GET") -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers


def test_only_who_has_the_token_gets_anything(server: Server) -> None:
    token = server.token
    assert len(token) >= 32
    assert ask(server, f"/{token}/")[0] == 200
    nothing = ask(server, "/nothing")[:2]
    assert nothing == (404, b"not found\n")
    for path in (
        "/",
        "",
        "//",
        "*",
        f"/{token}",
        f"/{token[:-1]}/",
        f"/{token}x/live",
        "/live",
        f"/%00{token}/",
        "/%C3%BC/",
    ):
        assert ask(server, path)[:2] == nothing, path
    assert ask(server, f"/{token}/", "POST")[0] == 501


def test_nothing_but_files_of_the_report_is_served(server: Server, study: Path) -> None:
    token = server.token
    report = study / records.REPORT_DIR
    (report / "tables" / "out.csv").symlink_to(study / records.STUDY_FILE)
    (report / "linked").symlink_to(study.parent, target_is_directory=True)
    (report / "secret.json").write_text("{}")
    assert ask(server, f"/{token}/report/index.html")[0] == 200
    assert ask(server, f"/{token}/report/tables/claims.csv")[2]["Content-Type"] == "text/csv; charset=utf-8"
    for path in (
        "report/../study.json", "report/%2e%2e/study.json", "../study.json", "report//etc/passwd", "/etc/passwd",
        "report/tables/out.csv", "report/linked/grid/study.json", "report/secret.json", "report/tables", "report/",
        "report/tables/../../study.json", "report\\..\\study.json", "study.json", "report/index.html%00.png",
        f"report/{'a/' * 5000}",
    ):  # fmt: skip
        assert ask(server, f"/{token}/{path}")[0] == 404, path


def test_what_is_sent_lets_no_address_out_and_no_script_in(server: Server) -> None:
    status, content, headers = ask(server, f"/{server.token}/")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert b"<script>document" not in content
    assert (status, server.token.encode() in content) == (200, False)
    head = ask(server, f"/{server.token}/", "HEAD")
    assert (head[0], head[1], head[2]["Content-Length"]) == (200, b"", str(len(content)))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
def test_a_phone_shows_what_runs_what_is_next_and_how_the_claims_stand(server: Server, study: Path) -> None:
    seen: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.on("console", lambda message: seen.append(message.text))
        tab.on("pageerror", lambda error: seen.append(str(error)))
        tab.goto(server.address)
        assert tab.title() == f"A study {NASTY}"
        text = tab.inner_text("main")
        # Eight epochs of the running trial and thirty of the waiting one are left, of two seconds each.
        assert re.search(r"6 of 10 finished, about 76 s left", text)
        assert "fcn8s-unfreeze-lr0.1\nepoch 2/10, val mIoU 20.00 %" in text
        assert tab.inner_text("#waiting ul") == "fcn8s-unfreeze-lr0.2"
        assert tab.inner_text("#attention li") == f"fcn8s-unfreeze-lr0.3 failed: ValueError: {NASTY}"
        assert tab.inner_text("#early li") == "fcn8s-unfreeze-lr0.4 stopped: stopped by me"
        assert tab.locator("#claims li").count() == 1
        assert tab.inner_text("#claims li b") == "✓ holds"
        assert "1 claim waits for a first comparison." in tab.inner_text("#claims")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        path = tab.evaluate("document.querySelector('path').getAttribute('d')")
        assert path == "M30.0,40.0 L60.0,0.0"
        (running,) = [path.parent for path in study.parents[1].glob("trials/*lr0.1-*/status.json")]
        records.append_metrics(running, {"epoch": 3, "train/loss": 0.1, "val/mean_iou": 0.4, "epoch_s": 2.0})
        tab.evaluate("refresh()")
        assert "val mIoU 40.00 %" in tab.inner_text("#running")
        tab.click("text=The whole report")
        assert tab.inner_text("h1") == f"A study {NASTY}"
        browser.close()
    assert seen == []


def test_a_report_is_written_anew_when_there_is_something_new(builder: Any) -> None:
    folder = builder.trial(lr=0.1)
    report = CurrentReport(builder.write(), every_s=1)
    assert (report.refresh(), report.refresh(), report.problem) == (True, False, None)
    index = report.folder / "report/index.html"
    before = index.read_bytes()
    records.write_status(folder, records.Status(state="failed", epoch=1, epochs=1, runtime_s=1.0, reason="gone"))
    assert report.refresh()
    assert index.read_bytes() != before
    (report.folder / records.STUDY_FILE).write_text("{")
    assert report.refresh()
    assert "is not valid JSON" in str(report.problem)
    assert "is not valid JSON" in LivePage(report).render()


def test_what_cannot_be_watched_is_one_line(tmp_path: Path, builder: Any, capsys: pytest.CaptureFixture[str]) -> None:
    study = builder.write()
    for arguments, message in (
        ([str(tmp_path / "nowhere")], "nowhere has no study.json; give <out>/studies/<name>"),
        ([str(study), "--every", "0"], "--every is 0; allowed: seconds from 1 to 86400"),
        ([str(study), "--port", "70000"], "127.0.0.1, port 70000, cannot be listened on"),
        ([str(study), "--host", "203.0.113.7"], "203.0.113.7, port 0, cannot be listened on"),
    ):
        assert main(["watch", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_the_command_serves_on_loopback_until_ctrl_c(builder: Any) -> None:
    builder.trial()
    study = builder.write()
    process = subprocess.Popen(
        [sys.executable, "-m", "analysis", "watch", str(study)], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    address = urlsplit(process.stdout.readline().split()[-1])
    assert (address.scheme, address.hostname) == ("http", "127.0.0.1")
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=60)
    connection.request("GET", address.path)
    assert b"1 of 1" in connection.getresponse().read()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
