import numpy as np
import pytest
from PIL import Image

from taplab import PaperSettings, SourceError
from taplab.evaluation.speed import measure
from taplab.evaluation.ways import Way
from taplab.policies import Dial
from taplab.timing import STAGES

WAYS = [
    Way("per-frame"),
    Way("paper", PaperSettings()),
    Way("offline"),
    Way("offline", PaperSettings(interval=24), Dial(quality=1)),
]


@pytest.fixture(scope="module")
def clip(make_clip):
    return make_clip("mpeg4")


def test_rows_beside_plain_decoding(clip, model):
    done = []
    speeds = measure(clip, model, WAYS, rounds=2, done=done.append)
    titles = ["per-frame", "paper ffw, interval 12", "offline, interval 12", "offline, quality 1"]
    assert done == [f"warm-up: {title}" for title in titles] + ["plain decoding", *titles] * 2
    assert [row.title for row in speeds.modes] == titles
    for row in speeds.modes:
        assert row.frames == 30
        assert set(row.seconds) == {*STAGES, "wait", "total"}
        assert row.fps == pytest.approx(30 / row.seconds["total"], rel=0.01)
        assert row.seconds["write"] == 0
        assert row.ratio_to_plain_decoding > row.rest_to_plain_decoding
    base, paper, offline, best = speeds.modes
    assert (base.network_cost, base.ratio_to_per_frame, base.share_of_bound) == (1, 1, 1)
    assert base.seconds["motion"] == 0
    assert paper.network_cost == offline.network_cost == 0.1
    assert (paper.modules, paper.interval) == (["ffw"], 12)
    assert best.interval == 24
    assert paper.share_of_bound == pytest.approx(paper.ratio_to_per_frame / 10, rel=0.01)
    assert speeds.plain_decode_seconds_per_frame > 0


def test_the_first_frames_alone(clip, model):
    assert [row.frames for row in measure(clip, model, WAYS[:2], frames=7, rounds=1).modes] == [7, 7]


def test_written_files_are_counted_and_removed(clip, model, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    base, paper = measure(clip, model, WAYS[:2], frames=7, rounds=1, save=("masks", "overlay")).modes
    assert base.seconds["write"] > 0
    assert paper.seconds["write"] > 0
    assert list(tmp_path.iterdir()) == []


def test_images(tmp_path, model):
    for i in range(3):
        Image.fromarray(np.full((48, 64, 3), 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
    speeds = measure(tmp_path, model, WAYS[:2], rounds=1)
    assert [row.network_cost for row in speeds.modes] == [1, 1]


def test_memory_is_told_of_each_way(clip, model):
    speeds = measure(clip, model, WAYS[:2], frames=3, rounds=1)
    peaks = [speeds.plain_decode_peak_memory, *(row.peak_memory for row in speeds.modes)]
    if None in peaks:
        pytest.skip("this system tells the peak of a whole process only")
    assert min(peaks) > 10_000_000


def test_nothing_to_decode(tmp_path, model):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match="not a video file"):
        measure(tmp_path / "a.mp4", model, WAYS[:1])


def test_an_interrupt_leaves_the_whole_rounds(clip, model):
    done = []

    def interrupt_at(run):
        def told(what):
            done.append(what)
            if len(done) == run:
                raise KeyboardInterrupt

        return told

    ways = WAYS[:2]  # so two runs to warm up, then three a round
    assert measure(clip, model, ways, frames=4, rounds=3, done=interrupt_at(10)).rounds == 2
    done.clear()
    with pytest.raises(KeyboardInterrupt):
        measure(clip, model, ways, frames=4, rounds=3, done=interrupt_at(4))
