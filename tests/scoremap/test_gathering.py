from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from taplab.labels import labels_from_scores
from taplab.modules.ffw import warp
from taplab.scoremap.cells import calm, padded
from taplab.scoremap.gathered import Gathered
from taplab.scoremap.gathering import SPREAD, gather
from taplab.types import IGNORE

CELLS = (20, 30)
ALL = np.ones(CELLS, np.bool_)
CLASSES = 4


def picture(seed):
    """Every place looks different."""
    out = np.zeros((*CELLS, 4), np.float32)
    out[..., :3] = np.random.default_rng(seed).uniform(0, 255, (*CELLS, 3))
    return out


@pytest.fixture
def key():
    return picture(0)


def probabilities(seed, classes=CLASSES):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 2, (classes, *CELLS)).astype(np.float32)).softmax(0)


@pytest.fixture
def scores():
    return padded(probabilities(1))


@pytest.fixture
def other():
    return padded(probabilities(1).flip(0))


def moved(dx, dy):
    return np.full((*CELLS, 2), (dx, dy), np.float32)


def gathered(now, sides, active=ALL, classes=CLASSES):
    mixture = gather(now, sides, classes, active, ALL)
    return mixture.scores[..., :classes]


def defined(now, sides, i, j):
    """The formula at one active cell, with bilinear samples; borders replicate."""
    rows, columns = CELLS
    weights, total = 0.0, 0.0
    for scores, key, way, share in sides:
        for a in (-1, 0, 1):
            for b in (-1, 0, 1):
                y = np.clip(i + way[i, j, 1] + a, 0, rows - 1)
                x = np.clip(j + way[i, j, 0] + b, 0, columns - 1)
                y0, x0 = int(y), int(x)
                y1, x1, fy, fx = min(y0 + 1, rows - 1), min(x0 + 1, columns - 1), y - y0, x - x0
                corners = [(y0, x0, (1 - fy) * (1 - fx)), (y0, x1, (1 - fy) * fx)]
                corners += [(y1, x0, fy * (1 - fx)), (y1, x1, fy * fx)]
                colour = sum(key[v, u] * w for v, u, w in corners)
                weight = share * np.exp(-np.abs(now[i, j] - colour)[:3].sum() / SPREAD)
                weights += weight
                total = total + weight * sum(scores[v, u] * w for v, u, w in corners)
    return total / weights, weights / (9 * sum(share for *_, share in sides))


@pytest.mark.parametrize("classes", [3, 7, 8, 11])
def test_gathering_is_the_formula(classes):
    """Everywhere, borders and places outside included; the table of weights has steps."""
    rng = np.random.default_rng(6)
    keys = [picture(seed) / 20 for seed in (2, 3)]
    now = sum(keys) / 2
    ways = [rng.uniform(-6, 6, (*CELLS, 2)).astype(np.float32) for _ in keys]
    maps = [padded(probabilities(seed, classes)) for seed in (4, 5)]
    sides = list(zip(maps, keys, ways, (0.3, 0.6), strict=True))
    found = gather(now, sides, classes, ALL, ALL)
    for i, j in np.ndindex(CELLS):
        expected, match = defined(now, sides, i, j)
        np.testing.assert_allclose(found.scores[i, j], expected, atol=0.02)
        assert found.match[i, j] == pytest.approx(match, rel=0.05)
    np.testing.assert_array_equal(found.best, found.scores[..., :classes].argmax(2))


def test_without_comparison_scores_are_sampled_as_ffw_does(key, scores):
    displacement = np.random.default_rng(2).integers(-3, 4, (*CELLS, 2)).astype(np.float32)
    found = gathered(key, [(scores, key, displacement, 1.0)], ~ALL)
    warped = warp(torch.from_numpy(scores[..., :CLASSES]).permute(2, 0, 1), displacement)
    np.testing.assert_allclose(found, warped.permute(1, 2, 0), atol=1e-4)


def test_two_key_frames_count_by_their_share(key, scores, other):
    sides = [(scores, key, moved(0, 0), 0.25), (other, key, moved(0, 0), 0.75)]
    np.testing.assert_allclose(gathered(key, sides, ~ALL), (0.25 * scores + 0.75 * other)[..., :CLASSES], atol=1e-6)


def test_what_does_not_match_does_not_count(key, scores, other):
    here, strange = np.full_like(key, 100), np.full_like(key, 120)
    sides = [(scores, strange, moved(0, 0), 0.9), (other, here, moved(0, 0), 0.1)]
    found = gathered(here, sides)
    np.testing.assert_allclose(found, gathered(here, sides[1:]), atol=1e-6)
    np.testing.assert_allclose(found.sum(2), 1, atol=1e-4)


def test_what_the_network_did_not_see_does_not_count(key, scores, other):
    """A key frame of which a part is present: its values are 0 elsewhere, that of the presence too."""
    part = scores.copy()
    part[:, 15:] = 0
    part[:, 14] *= 0.5
    for active in (ALL, ~ALL):
        sides = [(part, key, moved(0, 0), 0.9), (other, key, moved(0, 0), 0.1)]
        found, alone = gathered(key, sides, active), gathered(key, sides[1:], active)
        np.testing.assert_allclose(found[:, 17:], alone[:, 17:], atol=1e-5)
        np.testing.assert_allclose(found.sum(2), 1, atol=1e-4)
        matches = [gather(key, some, CLASSES, active, ALL).match for some in (sides, sides[1:])]
        np.testing.assert_allclose(matches[0][:, 17:], matches[1][:, 17:], atol=1e-6)
        if not active.any():
            np.testing.assert_allclose(found[:, 14], (0.9 * part + 0.1 * other)[:, 14, :CLASSES] / 0.55, atol=1e-6)
            np.testing.assert_allclose(matches[0], 1)


def test_the_match_says_how_well_pictures_match(scores):
    flat, still = np.full((*CELLS, 4), 100, np.float32), moved(0, 0)
    flat[..., 3] = 0
    strange = flat + np.float32([90, 90, 90, 0])

    def match(sides, active=ALL):
        return gather(flat, sides, CLASSES, active, ALL).match

    np.testing.assert_allclose(match([(scores, flat, still, 0.3), (scores, flat, still, 0.9)]), 1, atol=1e-5)
    np.testing.assert_allclose(match([(scores, flat, still, 0.5), (scores, strange, still, 0.5)]), 0.5, atol=1e-3)
    np.testing.assert_allclose(match([(scores, strange, still, 0.5)], ~ALL), 1)


def test_threads_change_nothing(key, scores, other):
    sides = [(scores, picture(8), moved(0.3, 1), 0.4), (other, picture(9), moved(-1, 0.7), 0.6)]
    with ThreadPoolExecutor(2) as pool:
        shared = gather(key, sides, CLASSES, ALL, ALL, pool.map)
    for one, two in zip(shared, gather(key, sides, CLASSES, ALL, ALL), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("size", [(80, 120), (83, 130), (20, 30), (11, 40)])
def test_labels_from_contours_alone_are_those_of_all_scores(key, size):
    """Large areas of one class: most cells are gathered for the scores only."""
    raw = np.zeros((3, *CELLS), np.float32)
    raw[0], raw[1, :, 18:], raw[2, 12:, :9] = 1, 2, 2
    noise = np.random.default_rng(7).normal(0, 0.2, raw.shape).astype(np.float32)
    maps = padded(torch.from_numpy(raw + noise).softmax(0))
    settled = calm(maps[..., :3].argmax(2).astype(np.uint8))
    active, contours = settled == IGNORE, calm(settled) == IGNORE
    assert 0.2 < contours.mean() < 0.8
    asked = []

    def work(whole):
        asked.append(whole)
        mixture = gather(key, [(maps, key, moved(0, 0), 1.0)], 3, active, ALL if whole else contours)
        np.copyto(mixture.best, settled, where=~active & ~contours)
        return mixture

    lazily = labels_from_scores(Gathered(work, CELLS, 3).for_labels(size), size)
    everything = Gathered(work, CELLS, 3)
    scores = everything.scores
    np.testing.assert_array_equal(lazily, labels_from_scores(scores, size))
    np.testing.assert_array_equal(lazily, labels_from_scores(everything.for_labels(size), size))
    assert asked == [size[0] < CELLS[0], True]
