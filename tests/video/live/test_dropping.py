"""Live sources that send faster than the network works: what is dropped, and told."""

import json
import time

import pytest
import torch

from taplab import Segmenter, TorchModel


class Slow(torch.nn.Module):
    """Three classes by brightness, a tenth of a second a pass."""

    def forward(self, x):
        time.sleep(0.1)
        grey = torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 4, ceil_mode=True)
        return torch.cat([-grey, 0.2 - grey.abs(), grey], 1)


@pytest.fixture
def slow():
    return TorchModel(Slow(), classes=("dark", "middle", "bright"), name="slow")


def test_what_is_too_much_is_dropped_and_counted(clip, sending, slow, tmp_path):
    with sending(clip.read_bytes()) as address:
        summary = Segmenter(slow, mode="per-frame").run(address, tmp_path, timeout=5, reconnect=0)
    assert summary.frames >= 9  # those that wait, and more as the network takes them
    assert summary.dropped >= 5
    assert summary.frames + summary.dropped == 30
    assert f"{summary.dropped} of 30 frames were dropped" in summary.notes[0]
    masks = sorted(p.name for p in (tmp_path / "masks").iterdir())
    assert masks == [f"{i:06d}.png" for i in range(summary.frames)]
    assert json.loads((tmp_path / "summary.json").read_text())["dropped"] == summary.dropped


def test_all_are_kept_where_that_is_wanted(clip, sending, slow):
    with sending(clip.read_bytes()) as address:
        segmentation = Segmenter(slow, mode="per-frame").stream(address, timeout=5, reconnect=0, keep_all=True)
        assert [r.index for r in segmentation] == list(range(30))
    assert segmentation.summary().dropped == 0


def test_as_many_as_were_asked_for_come_whatever_is_dropped(clip, sending, slow):
    with sending(clip.read_bytes(), clip.read_bytes()) as address:
        segmentation = Segmenter(slow, mode="per-frame").stream(address, timeout=5, max_frames=20)
        assert [r.index for r in segmentation] == list(range(20))
