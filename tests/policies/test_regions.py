import numpy as np
import pytest
import torch

from taplab import open_video
from taplab.policies.regions import Regions, region_key
from taplab.scoremap.cells import padded
from taplab.scoremap.gathered import Gathered
from taplab.scoremap.gathering import Mixture
from taplab.types import Region


@pytest.fixture(scope="module")
def frame(make_clip):
    """Of 144x192."""
    return next(iter(open_video(make_clip("mpeg4")).frames()))


def carried(scores, match):
    probabilities = padded(scores.softmax(0))
    best = scores.argmax(0).to(torch.uint8).numpy()
    return Gathered(lambda whole: Mixture(probabilities, best, match), (36, 48), 2)


def test_the_region_is_where_doubt_is(frame):
    sure = torch.zeros(2, 36, 48)
    sure[0] = 9.0
    match = np.ones((36, 48), np.float32)
    sure[0, 28:34, 40:46] = 0.0
    assert Regions((48, 48), None).where(frame, carried(sure, match)) == Region(96, 144, 48, 48)
    match[:, :10] = 0.0  # what did not match counts more, if it is unsure at all
    sure[0, :12, :12] = 0.1
    assert Regions((48, 48), None).where(frame, carried(sure, match)) == Region(0, 0, 48, 48)


def test_a_region_lies_where_it_was_seen_and_fades_at_edges_inside_the_frame(frame):
    scores = torch.randn(3, 12, 16)
    key = region_key(frame, Region(96, 64, 48, 64), scores, (36, 48))
    assert torch.equal(key.scores[:, 24:, 16:32], scores)
    assert key.presence[:24].sum() == key.presence[:, :16].sum() == key.presence[:, 32:].sum() == 0
    middle = key.presence[:, 24]
    assert (middle[30:] == 1).all()  # the lower edge is the frame's
    assert (middle[24:30].diff() > 0).all()
    assert key.is_region


def test_scores_of_another_stride_are_fitted(frame):
    key = region_key(frame, Region(0, 0, 48, 48), torch.ones(1, 3, 3), (36, 48))
    assert torch.equal(key.scores[0, :12, :12], torch.ones(12, 12))
    assert key.scores.sum() == 144


@pytest.mark.parametrize(("carried_wrong", "pays"), [(0, False), (2, False), (9, True)])
def test_regions_must_do_much_better_than_what_is_carried(frame, carried_wrong, pays):
    regions = Regions(None, None)
    truth = torch.zeros(2, 36, 48)
    truth[0] = 1.0
    seen, before = truth.clone(), truth.clone()
    seen[:, 35, 47] = torch.tensor([0.0, 1.0])
    before[:, 30, 30 : 30 + carried_wrong] = torch.tensor([[0.0], [1.0]])
    key = region_key(frame, Region(0, 0, 144, 192), seen, (36, 48))
    assert not regions.pays
    for _ in range(2):
        assert regions.on_trial
        regions.compare(truth, before, key)
    assert not regions.on_trial
    assert regions.pays is pays
    assert bool(regions.note) is not pays
