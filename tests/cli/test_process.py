"""The command as users start it: real processes, their exit status, what they load, Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import av
import pytest


def taplab(*args):
    how = [sys.executable, "-m", "taplab", *map(str, args)]
    return subprocess.run(how, capture_output=True, text=True, timeout=300, check=False)


def test_names_that_cannot_be_printed_end_no_run(make_clip, tmp_path):
    out = tmp_path / "\u00f6"
    how = [sys.executable, "-m", "taplab", "segment", make_clip("mpeg4"), "-o", out, "--model", "bl2-synthetic"]
    more = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    run = subprocess.run(
        [*map(str, how), "--max-frames", "1"], capture_output=True, text=True, env=os.environ | more, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "\\xf6" in run.stdout


def test_without_stdout(make_clip, tmp_path):
    """As of ``>&-`` in a shell."""
    how = f"exec {sys.executable} -m taplab segment {make_clip('mpeg4')} -o {tmp_path} --model bl2-synthetic >&-"
    run = subprocess.run(["sh", "-c", f"{how} --max-frames 1"], stderr=subprocess.PIPE, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_help_and_version():
    assert "segment" in taplab("--help").stdout
    assert taplab("--version").stdout.startswith("taplab 0.")


def test_import_is_light():
    code = "import sys, taplab; print([m for m in ('torch', 'numba', 'av', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("command", [[], ["segment"], ["bench"]])
def test_help_is_light(command):
    code = f"""
import sys
from taplab.cli.main import main
sys.argv = ["taplab", *{command}, "--help"]
try:
    main()
finally:
    heavy = [m for m in ("torch", "numba", "numpy", "av", "matplotlib", "cv2", "onnxruntime") if m in sys.modules]
    print(heavy, file=sys.stderr)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage" in run.stdout
    assert run.stderr == "[]\n"


def test_segment(make_clip, tmp_path):
    result = taplab("segment", make_clip("mpeg4"), "-o", tmp_path, "--model", "bl2-synthetic", "--modules", "ffw")
    assert result.returncode == 0, result.stderr
    assert "30 frames" in result.stdout
    assert "network cost 0.100" in result.stdout
    assert json.loads((tmp_path / "summary.json").read_text())["frames"] == 30
    assert len(list((tmp_path / "masks").glob("*.png"))) == 30


def test_quiet_says_nothing_at_all(make_clip, tmp_path):
    how = ["-o", tmp_path, "--model", "bl2-synthetic", "--max-frames", 3, "--save", "masks"]
    result = taplab("segment", make_clip("mpeg4"), *how, "-q")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not (tmp_path / "overlay.mp4").exists()


def test_exit_status_of_errors(tmp_path):
    out = ["-o", tmp_path / "out"]
    for args, status, says in (
        (["segment", tmp_path / "none.mp4", *out], 1, "taplab: error: .*none.mp4: no such file.*"),
        (["train", "kitti", *out], 2, "taplab: error: kitti: no such data; .*"),
        (["demo", "-o", ""], 2, "taplab: error: -o: its name is empty; .*"),
    ):
        result = taplab(*args)
        assert (result.returncode, result.stdout) == (status, "")
        assert re.fullmatch(f"{says}\n", result.stderr)
    assert taplab("segmnet").returncode == 2


@pytest.mark.slow
def test_train_with_torchrun(tmp_path):
    """Two processes share the batch; one writes."""
    how = ["synthetic", "-o", tmp_path, "--steps", 2, "--width", 0.125, "--batch", 4, "--threads", 1, "--drives", 2]
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "taplab", "train"]
    result = subprocess.run([*run, *map(str, how)], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("model.safetensors (use it") == 1
    steps = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [s["step"] for s in steps if "loss" in s] == [2]


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_done_is_kept(make_clip, tmp_path, number, status):
    clip = tmp_path / "long.ts"  # so long that it is not done before the signal comes, however busy the machine is
    clip.write_bytes(make_clip("mpeg4", ".ts").read_bytes() * 20)
    how = [sys.executable, "-m", "taplab", "segment", clip, "-o", tmp_path, "--mode", "per-frame", "--lanes", "1", "-v"]
    with subprocess.Popen(how, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            frame = re.match(r" *(\d+)  [IP]  ", line)  # of the first lines one may be torn by the bar
            if frame and int(frame[1]) >= 2:
                process.send_signal(number)
                break
        rest = process.stderr.read()
        assert process.wait(30) == status
    assert "Traceback" not in rest
    assert "interrupted" in rest
    time.sleep(0.1)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["interrupted"]
    assert len(list((tmp_path / "masks").glob("*.png"))) >= summary["frames"] >= 3
    assert not list(tmp_path.glob("**/*part*"))
    with av.open(str(tmp_path / "overlay.mp4")) as overlay:
        assert sum(1 for _ in overlay.decode(video=0)) == summary["frames"]
