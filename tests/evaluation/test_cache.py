import pytest
import torch

from taplab import OutputError
from taplab.evaluation.cache import Cache, fingerprint
from taplab.evaluation.score import evaluate
from taplab.evaluation.trials import Draw, Encoding, trials
from taplab.evaluation.ways import Way
from taplab.models.base import Model


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.mark.parametrize("damage", [lambda text: text[: len(text) // 2], lambda _: "", lambda _: "[]", lambda _: "{}"])
def test_a_damaged_record_is_made_again(bright, model, cache, damage):
    first = evaluate(bright((11,)), model, [Way("paper")], Encoding(), Draw(), cache, rounds=0)
    (record,) = (cache.folder / "records").iterdir()
    whole = record.read_text()
    record.write_text(damage(whole))
    again = evaluate(bright((11,)), model, [Way("paper")], Encoding(), Draw(), cache, rounds=0)
    assert [score.as_json() for score in again] == [score.as_json() for score in first]
    assert record.read_text() == whole


def test_a_clip_that_was_cut_short_is_encoded_again(bright, cache):
    (trial,) = trials(bright(), 12, Draw())
    clip = cache.clip(trial, Encoding())
    whole = clip.stat()
    assert cache.clip(trial, Encoding()).stat().st_mtime_ns == whole.st_mtime_ns
    clip.write_bytes(clip.read_bytes()[:-1000])
    assert cache.clip(trial, Encoding()).stat().st_size == whole.st_size


def test_no_cache_can_be_made_in_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be written .*--cache"):
        Cache(tmp_path / "file")


class Fixed(Model):
    """Says the same of every picture, and ``glance`` at a glance."""

    classes, palette, name = ("a", "b"), [(0, 0, 0)] * 2, "fixed"

    def __init__(self, glance=None):
        self.glance, self.follow_cost = glance, None if glance is None else 0.3

    def __call__(self, images):
        return torch.zeros(len(images), 2, 4, 6)

    def follow(self, images, carried, match):
        return torch.full((len(images), 2, 4, 6), self.glance)


def test_networks_that_differ_in_their_glance_are_told_apart():
    assert len({fingerprint(Fixed()), fingerprint(Fixed(0.1)), fingerprint(Fixed(0.2))}) == 3
    assert fingerprint(Fixed(0.1)) == fingerprint(Fixed(0.1))
