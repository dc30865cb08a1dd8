import json

import numpy as np
import pytest

from taplab import PaperSettings, Segmenter
from taplab.errors import OutputError
from taplab.output.records import RecordWriter, record
from taplab.types import Region


def lines(file):
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_a_line_says_what_is_known_of_a_frame(result_of, grey):
    labels = np.zeros((10, 20), np.uint8)
    labels[:, :5] = 2
    labels[0, 19] = 255
    said = record(result_of(7, grey(20, 10), labels, pts=50, damaged=True), ("sky", "road", "car"))
    assert said == {
        "index": 7,
        "pts_seconds": 2.0,
        "kind": "P",
        "origin": "warped",
        "key": False,
        "damaged": True,
        "network_cost": 0.0,
        "region": None,
        "residual": None,
        "motion": None,
        "shares": {"sky": 0.745, "car": 0.25},
    }


def test_what_the_network_saw(result_of, grey):
    labels = np.zeros((10, 20), np.uint8)
    region = result_of(0, grey(20, 10), labels, origin="corrected", region=Region(1, 2, 5, 10))
    region.frame.seen = 0.25
    assert (record(region, "ab")["network_cost"], record(region, "ab")["region"]) == (0.25, [1, 2, 5, 10])
    assert record(result_of(0, grey(20, 10), labels), "ab")["network_cost"] == 0


@pytest.mark.parametrize("modules", [("ffw",), ("ffw", "rgc")])
@pytest.mark.parametrize("frames", [30, 12])  # the twelfth is predicted from the next key frame, which is not shown
def test_lines_add_up_to_the_summary(make_clip, model, tmp_path, modules, frames):
    clip = make_clip("h264", gop=30, options={"bf": "2", "sc_threshold": "0"})
    settings = PaperSettings(modules, region=(64, 64) if "rgc" in modules else None)
    segmenter = Segmenter(model, mode="paper", settings=settings)
    summary = segmenter.run(clip, tmp_path, save=("jsonl", "masks"), max_frames=frames)
    found = lines(tmp_path / "frames.jsonl")
    assert [line["index"] for line in found] == list(range(frames))
    assert np.mean([line["network_cost"] for line in found]) == pytest.approx(summary.network_cost, abs=1e-3)
    assert sum(line["key"] for line in found) == summary.key_frames
    assert sum(line["motion"] == "codec" for line in found) == summary.motion["codec"]
    assert all(sum(line["shares"].values()) == pytest.approx(1, abs=1e-5) for line in found)


def test_lines_are_there_as_soon_as_they_are_written(tmp_path, result_of, grey):
    writer = RecordWriter(tmp_path / "frames.jsonl", ("a", "ü"))
    for k in range(9):
        writer.write(result_of(k, grey(4, 2), np.ones((2, 4), np.uint8)))
    assert len(lines(tmp_path / "frames.jsonl")) >= 2
    writer.abort()
    writer.abort()
    assert lines(tmp_path / "frames.jsonl")[0]["shares"] == {"ü": 1.0}


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"frames\.jsonl: cannot be written"):
        RecordWriter(tmp_path / "none" / "frames.jsonl", ("a", "b"))
