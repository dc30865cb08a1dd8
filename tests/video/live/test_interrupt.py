"""Ctrl-C in a real process that reads a live source."""

import json
import signal
import socket
import subprocess
import sys
import time

import av

HEEDING = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # jobs in the background begin without


def interrupted(address, out, after, *options):
    """Runs the command line on ``address`` and sends Ctrl-C once ``after`` masks are there. (status, stderr)"""
    code = f"import signal; {HEEDING}; from taplab.cli.main import main; main()"
    command = [sys.executable, "-c", code, "segment", address, "-o", str(out), "--model", "bl2-synthetic", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while len(list((out / "masks").glob("0*.png"))) < after and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr


def test_ctrl_c_leaves_whole_files_also_where_nothing_comes(clip, sending, tmp_path):
    with sending(clip.read_bytes(), hold=True) as address:
        status, stderr = interrupted(address, tmp_path, 10, "--timeout", "60")
    assert status == 130
    assert stderr.splitlines()[-1].startswith("taplab: interrupted; ")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["interrupted"] is True
    assert summary["frames"] >= 10
    with av.open(str(tmp_path / "overlay.mp4")) as overlay:
        assert sum(1 for _ in overlay.decode(video=0)) == summary["frames"]
    assert len(list((tmp_path / "masks").iterdir())) == summary["frames"]


def test_ctrl_c_while_a_source_is_opened(tmp_path):
    # Ctrl-C comes a while after FFmpeg was called: it hangs by then.
    told = "said = av.open; av.open = lambda *a, **k: (print('opening', flush=True), said(*a, **k))[1]"
    code = f"import av, signal; {HEEDING}; {told}; from taplab.cli.main import main; main()"
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"tcp://127.0.0.1:{server.getsockname()[1]}"  # accepts and stays silent
        options = ["-o", str(tmp_path / "out"), "--model", "bl2-synthetic", "--timeout", "600"]
        command = [sys.executable, "-c", code, "segment", source, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline() == "opening\n"
                time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                _, stderr = process.communicate(timeout=20)
            finally:
                process.kill()
    assert stderr.splitlines() == ["taplab: interrupted; no frame was done"]
    assert process.returncode == 130
