"""Several processes for one file: what comes out is what one would make of it, and nothing is left behind."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time

import av
import numpy as np
import pytest
import torch

from taplab import ModelError, Segmenter, SettingError, SourceError, TaplabError, TorchModel, load_model
from taplab.crew.processes import crew_of
from taplab.crew.segmentation import group_length

CODECS = [
    ("mpeg4", ".mp4", {}),
    ("h264", ".mp4", {"options": {"bf": "2"}}),
    ("mpeg2video", ".mkv", {"options": {"bf": "2"}}),
]


class Careful(torch.nn.Module):
    """Three classes by brightness; fails at a picture that is bright enough, and may take its time."""

    def __init__(self, most, pause):
        super().__init__()
        self.most, self.pause, self.sign = most, pause, 1

    def forward(self, x):
        time.sleep(self.pause)
        if float(x.mean()) > self.most:
            raise RuntimeError("too bright\nfor me")
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4, ceil_mode=True)
        return torch.cat([-grey, 0.2 - grey.abs(), grey], 1) * self.sign


def careful(most=1e9, pause=0.0):
    return TorchModel(Careful(most, pause), classes=("dark", "middle", "bright"), name="careful")


@pytest.fixture(scope="module")
def network():
    """Its processes are begun once."""
    return careful()


@pytest.fixture(scope="module")
def bundled():
    return load_model("bl2-synthetic")


def both(network, clip, mode, **how):
    one = Segmenter(network, mode=mode, **how).stream(clip)
    two = Segmenter(network, mode=mode, processes=2, **how).stream(clip)
    return one, list(one), two, list(two)


@pytest.mark.parametrize(("codec", "suffix", "how"), CODECS)
@pytest.mark.parametrize("mode", ["paper", "per-frame"])
def test_the_same_labels(network, make_clip, codec, suffix, how, mode):
    one, expected, two, results = both(network, make_clip(codec, suffix, **how), mode)
    for a, b in zip(expected, results, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
        assert (a.index, a.pts_seconds, a.kind, a.origin, a.key) == (b.index, b.pts_seconds, b.kind, b.origin, b.key)
        np.testing.assert_array_equal(a.frame.rgb(), b.frame.rgb())
    single, shared = one.summary(), two.summary()
    for name in ("codec", "width", "height", "frames", "key_frames", "mode", "motion", "damaged", "broke_off", "notes"):
        assert getattr(shared, name) == getattr(single, name), name
    assert shared.seconds["network"] > 0
    borrowed = two.network.borrowed / (144 * 192) / 30
    assert shared.network_cost == pytest.approx(single.network_cost + borrowed, abs=1e-4)
    assert (borrowed > 0) == (codec == "mpeg2video" and mode == "paper")  # B-frames before a key frame need it


@pytest.mark.parametrize(("codec", "suffix", "how"), CODECS)
@pytest.mark.parametrize("mode", ["offline", "live"])
def test_modes_that_remember_begin_anew_with_each_group(bundled, make_clip, mode, codec, suffix, how):
    _, expected, two, results = both(bundled, make_clip(codec, suffix, **how), mode)
    assert [r.index for r in results] == list(range(30))
    differ = [float((a.labels != b.labels).mean()) for a, b in zip(expected, results, strict=True)]
    assert max(differ) < 0.1
    assert differ[0] == 0
    assert (two.network.borrowed > 0) == (mode == "offline" or codec == "mpeg2video")  # key frames behind the groups


def test_what_is_asked_for_is_asked_of_all(bundled, make_clip):
    run = Segmenter(bundled, budget=0.2, processes=2).stream(make_clip("mpeg4"))
    assert len(list(run)) == 30
    summary = run.summary()
    assert summary.asked == {"budget": 0.2}
    assert 0 < summary.network_cost <= 0.3
    assert summary.predicted_loss is not None


def test_files_are_the_same(network, make_clip, tmp_path):
    clip = make_clip("mpeg4")
    for count in (1, 2):
        segmenter = Segmenter(network, mode="paper", processes=count)
        segmenter.run(clip, tmp_path / str(count), save=("overlay", "masks", "jsonl", "scores"))
    names = sorted(str(f.relative_to(tmp_path / "1")) for f in (tmp_path / "1").rglob("*") if f.is_file())
    assert names == sorted(str(f.relative_to(tmp_path / "2")) for f in (tmp_path / "2").rglob("*") if f.is_file())
    for name in names:
        if name not in ("summary.json", "overlay.mp4"):
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    pictures = []
    for count in (1, 2):
        with av.open(str(tmp_path / str(count) / "overlay.mp4")) as container:
            pictures.append([frame.to_ndarray() for frame in container.decode(video=0)])
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("most", [5, 12, 20])
def test_the_first_so_many_frames(network, make_clip, most):
    segmenter = Segmenter(network, mode="paper", processes=2)
    assert [r.index for r in segmenter.stream(make_clip("mpeg4"), max_frames=most)] == list(range(most))


@pytest.mark.parametrize(
    ("at", "by", "notes"), [(26, 2, []), (15, 1, ["one process did it all: behind the first 15 frames it could"])]
)
def test_a_damaged_file(network, make_clip, tmp_path, at, by, notes):
    """Where that begins before the first key frame of the second group, that group is of the same process."""
    data = bytearray(make_clip("h264").read_bytes())
    with av.open(str(make_clip("h264"))) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    middle = (places[at] + places[at + 1]) // 2
    data[middle : middle + 20] = bytes(20)
    clip = tmp_path / "broken.mp4"
    clip.write_bytes(data)
    one, expected, two, results = both(network, clip, "paper")
    assert [r.damaged for r in results] == [r.damaged for r in expected]
    assert two.summary().damaged == one.summary().damaged > 0
    assert two.summary().broke_off == one.summary().broke_off
    assert [note[: len(says)] for note, says in zip(two.summary().notes, notes, strict=True)] == notes
    assert two.shared_by == by
    assert [r.index for r in Segmenter(network, mode="paper", processes=2).stream(clip)] == list(range(len(results)))


def test_a_file_that_ends_early(network, make_clip, tmp_path):
    whole = make_clip("mpeg4", ".avi").read_bytes()
    clip = tmp_path / "cut.avi"
    clip.write_bytes(whole[: len(whole) * 9 // 10])
    one, expected, two, results = both(network, clip, "paper")
    assert len(results) == len(expected)
    assert (two.summary().broke_off, two.summary().damaged) == (one.summary().broke_off, one.summary().damaged)
    assert two.summary().broke_off


@pytest.mark.parametrize(("codec", "suffix"), [("hevc", ".mp4"), ("mpeg2video", ".ts")])
def test_what_cannot_be_cut_is_done_by_one_process(network, make_clip, codec, suffix):
    run = Segmenter(network, mode="paper", processes=2).stream(make_clip(codec, suffix))
    assert len(list(run)) == 30
    assert run.summary().notes == [
        f"one process does it: {make_clip(codec, suffix)} ({codec}) is no file that can be cut at key frames"
    ]


def test_a_file_without_key_frames_to_cut_at(network, make_clip):
    run = Segmenter(network, mode="paper", processes=2).stream(make_clip("h264", gop=250))
    assert len(list(run)) == 30
    assert run.summary().notes == [
        "one process did it all: behind the first 15 frames it could not be cut: no key frame, damage, or its end"
    ]


@pytest.mark.parametrize(
    ("codec", "suffix", "how", "why"),
    [
        ("h264", ".264", {}, "the file does not say how long it is, and up to 384 frames are not shared"),
        ("mpeg4", ".mp4", {"max_frames": 9}, "no more than 12 frames were to be expected, which are not shared"),
    ],
)
def test_short_files_are_not_shared(network, make_clip, codec, suffix, how, why):
    run = Segmenter(network, mode="paper", processes=2).stream(make_clip(codec, suffix), **how)
    assert len(list(run)) == how.get("max_frames", 30)
    assert run.summary().notes == [f"one process did it all: {why}"]


@pytest.mark.parametrize(("codec", "how"), [("mpeg4", {}), ("mpeg2video", {"options": {"bf": "2"}})])
@pytest.mark.parametrize("seconds", [0.2, 1.2, 100.0])
def test_what_a_file_says_of_its_length_decides_nothing(network, make_clip, tmp_path, codec, how, seconds):
    data = make_clip(codec, ".mkv", **how).read_bytes()
    at = data.index(b"\x44\x89\x88") + 3  # Matroska's Duration, in milliseconds
    clip = tmp_path / "lies.mkv"
    clip.write_bytes(data[:at] + struct.pack(">d", 1000 * seconds) + data[at + 8 :])
    _, expected, _, results = both(network, clip, "paper")
    assert len(results) == len(expected) == 30
    assert all((a.labels == b.labels).all() for a, b in zip(expected, results, strict=True))


def test_what_stops_all_processes_is_no_fault(make_clip):
    network = careful(pause=0.3)
    run = Segmenter(network, mode="per-frame", processes=2).stream(make_clip("mpeg4"))
    results = iter(run)
    next(results)
    run.interrupt()
    for process, _ in crew_of(network)._members:
        process.terminate()
    with pytest.raises(KeyboardInterrupt):
        list(results)


def test_no_process_is_begun_without_a_share(make_clip):
    network = careful()
    segmenter = Segmenter(network, mode="paper", processes=8)
    assert len(list(segmenter.stream(make_clip("mpeg4"), max_frames=9))) == 9
    crew = crew_of(network)
    assert crew._members == []  # this process did it
    assert len(list(segmenter.stream(make_clip("mpeg4"), max_frames=24))) == 24  # in groups of 12
    two = list(crew._members)
    assert len(two) == 2
    assert len(list(segmenter.stream(make_clip("mpeg4")))) == 30
    assert crew._members[:2] == two
    assert len(crew._members) == 3


def test_an_error_of_the_network_comes_in_one_line(make_clip):
    run = Segmenter(careful(-1e9), processes=2).stream(make_clip("mpeg4"))
    with pytest.raises(ModelError, match=r"careful.*too bright") as caught:
        list(run)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(network, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"no video at all")
    with pytest.raises(SourceError, match=r"clip\.mp4"):
        Segmenter(network, processes=2).stream(clip)


def test_a_process_that_is_killed(make_clip):
    network = careful(pause=1.0)  # at each pass: the second is not done before the first gives something
    segmenter = Segmenter(network, mode="per-frame", processes=2)
    results = iter(segmenter.stream(make_clip("mpeg4")))
    next(results)
    crew = crew_of(network)
    os.kill(crew._members[1][0].pid, signal.SIGKILL)
    with pytest.raises(TaplabError, match=r"process 2 of 2 died \(exit status -9\)"):
        list(results)
    segmenter = Segmenter(network, mode="paper", processes=2)
    assert len(list(segmenter.stream(make_clip("mpeg4")))) == 30  # by new ones
    os.kill(crew._members[0][0].pid, signal.SIGKILL)
    crew._members[0][0].join()
    assert len(list(segmenter.stream(make_clip("mpeg4")))) == 30


def test_an_interrupt_leaves_whole_files_and_no_process(network, make_clip, tmp_path):
    segmenter = Segmenter(network, mode="paper", processes=2)

    def stop(run, result):
        if result.index == 4:
            run.interrupt()

    with pytest.raises(KeyboardInterrupt):
        segmenter.run(make_clip("mpeg4"), tmp_path, save=("masks",), on_frame=stop)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["interrupted"]
    assert summary["frames"] == len(list((tmp_path / "masks").iterdir())) == 5
    assert not crew_of(network)._members


def test_who_looks_at_a_few_frames_may_begin_again(network, make_clip):
    segmenter = Segmenter(network, mode="paper", processes=2)
    results = iter(segmenter.stream(make_clip("mpeg4")))
    assert next(results).index == 0
    with pytest.raises(SettingError, match="one video at a time"):
        list(segmenter.stream(make_clip("mpeg4")))
    results.close()
    assert len(list(segmenter.stream(make_clip("mpeg4")))) == 30


def test_weights_and_folders_may_change_between_runs(make_clip, monkeypatch, tmp_path):
    network, clip = careful(), make_clip("mpeg4")
    monkeypatch.chdir(clip.parent)
    segmenter = Segmenter(network, mode="per-frame", processes=2)
    before = [r.labels for r in segmenter.stream(clip.name, max_frames=3)]
    crew = crew_of(network)
    monkeypatch.chdir(clip.parent.parent)
    assert len(list(segmenter.stream(f"{clip.parent.name}/{clip.name}", max_frames=3))) == 3
    assert crew_of(network) is crew
    network.net.sign = -1
    after = [r.labels for r in segmenter.stream(clip, max_frames=3)]
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert crew_of(network) is not crew


def test_a_model_that_cannot_be_handed_over(make_clip):
    network = careful()
    network.secret = lambda: None
    with pytest.raises(SettingError, match=r"careful cannot be handed to other processes.*load it by its name"):
        Segmenter(network, processes=2).stream(make_clip("mpeg4"))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"processes": 0}, "processes 0: must be a whole number"),
        ({"processes": "2"}, "processes '2': must be a whole number"),
        ({"processes": 2.0}, r"processes 2\.0: must be a whole number"),
        ({"processes": 10**6}, "processes 1000000: each needs the memory of a whole run; give at most"),
        ({"processes": 2, "target_fps": 5}, "target_fps"),
    ],
)
def test_settings_that_cannot_be(network, how, why):
    with pytest.raises(SettingError, match=why):
        Segmenter(network, **how)


UNGUARDED = """
import sys, torch, taplab
{guard}
    class Local(torch.nn.Module):
        def forward(self, x):
            return x

    model = taplab.TorchModel(Local(), classes=("a", "b", "c"))
    for _ in taplab.Segmenter(model, processes=2).stream(sys.argv[1]):
        pass
"""


@pytest.mark.parametrize(
    ("guard", "says"),
    [
        ("if True:", r'TaplabError: process . of 2 died \(exit status 1\).*__name__ == "__main__"'),
        ('if __name__ == "__main__":', "SettingError: processes: the model cannot be made anew.*top of a module"),
    ],
)
def test_programs_that_must_be_written_otherwise(make_clip, tmp_path, guard, says):
    program = tmp_path / "mine.py"
    program.write_text(UNGUARDED.format(guard=guard))
    how = [sys.executable, program, make_clip("mpeg4")]
    run = subprocess.run(how, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 1
    assert re.search(says, run.stderr)


@pytest.mark.parametrize(
    ("frames", "interval", "processes", "length"),
    [
        (None, 12, 4, 384),
        (None, 1, 4, 192),
        (10_000, 12, 2, 358),  # 14 turns each
        (96, 12, 2, 48),
        (30, 12, 2, 15),
        (5, 12, 2, 12),
        (400, 24, 2, 200),
    ],
)
def test_groups_are_as_long_as_all_have_as_many_turns(frames, interval, processes, length):
    assert group_length(frames, interval, processes) == length
