import numpy as np
import pytest

from taplab.scoremap import cells, matching

CELLS = (20, 30)
ALL = np.ones(CELLS, np.bool_)


@pytest.fixture
def key():
    """A picture in which every place looks different."""
    out = np.zeros((*CELLS, 4), np.float32)
    out[..., :3] = np.random.default_rng(0).uniform(0, 255, (*CELLS, 3))
    return out


def moved(dx, dy):
    return np.full((*CELLS, 2), (dx, dy), np.float32)


def shifted(picture, dx, dy):
    """What is seen where every cell comes from (dx, dy) cells away."""
    rows = np.clip(np.arange(CELLS[0]) + dy, 0, CELLS[0] - 1)
    columns = np.clip(np.arange(CELLS[1]) + dx, 0, CELLS[1] - 1)
    return np.ascontiguousarray(picture[rows][:, columns])


def test_a_cell_takes_the_displacement_that_explains_its_colour(key):
    wrong_here = moved(2, -1)
    wrong_here[8:12, 10:20] = 0
    refined = matching.refine(shifted(key, 2, -1), key, wrong_here, ALL)
    np.testing.assert_allclose(refined, moved(2, -1))


def test_cells_that_are_not_active_keep_theirs(key):
    active = ALL.copy()
    active[:10] = False
    start = moved(0, 0)
    start[0, 0] = (2, -1)
    refined = matching.refine(shifted(key, 2, -1), key, start, active)
    np.testing.assert_array_equal(refined[:10], start[:10])


def test_a_right_displacement_is_left_alone(key):
    start = moved(1, 1)
    np.testing.assert_array_equal(matching.refine(shifted(key, 1, 1), key, start, ALL), start)


def test_what_matches_well_enough_is_left_alone(key):
    start, now = moved(0, 0), shifted(key, 1, 0)
    start[5:15, 5:15] = (1, 0)
    now[..., 0] += 2
    close = matching.refine(now, key, moved(1, 0), ALL, enough=2.5)
    np.testing.assert_array_equal(close, moved(1, 0))
    slope = np.zeros_like(key)
    slope[..., 0] = 2 * np.arange(CELLS[1])
    kept = matching.refine(shifted(slope, 1, 0), slope, start, ALL, enough=2.5)
    np.testing.assert_array_equal(kept, start)
    corrected = matching.refine(shifted(slope, 1, 0), slope, start, ALL, enough=0)
    assert (corrected[:, 1:-2] == (1, 0)).all(2).mean() > (start == (1, 0)).all(2).mean() + 0.2


def test_no_displacement_gets_worse_and_half_cells_are_found(key):
    start = np.random.default_rng(5).integers(-2, 3, (*CELLS, 2)).astype(np.float32)
    now = (shifted(key, 1, 0) + key) / 2
    refined = matching.refine(now, key, start, ALL)
    before, after = cells.differences(now, key, start), cells.differences(now, key, refined)
    changed = (refined != start).any(2)
    assert (after[changed] < before[changed] - matching.MOVE_COST + 1e-3).all()
    assert (refined[5:-5, 5:-5] == (0.5, 0)).all(2).mean() > 0.9


def difference(now, key, i, j, way):
    """Of the cell's colour and that where it comes from, bilinearly; borders replicate."""
    y, x = np.clip(i + way[1], 0, CELLS[0] - 1), np.clip(j + way[0], 0, CELLS[1] - 1)
    top, left = min(int(y), CELLS[0] - 2), min(int(x), CELLS[1] - 2)
    down, right = np.array([1 - y + top, y - top]), np.array([1 - x + left, x - left])
    return np.abs(np.einsum("a,b,abc->c", down, right, key[top : top + 2, left : left + 2]) - now[i, j])[:3].sum()


def cost(now, key, i, j, offer):
    return difference(now, key, i, j, offer) + matching.MOVE_COST


def defined(now, key, start, away):
    """Cell by cell in reading order, offer by offer."""
    out = start.astype(float)
    for i, j in np.ndindex(CELLS):
        best = out[i, j].copy()
        least = difference(now, key, i, j, best)
        if least <= matching.ENOUGH:
            continue
        steps = [(a * step, b * step) for step in away for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        around = [(i + a, j + b) for a, b in steps if 0 <= i + a < CELLS[0] and 0 <= j + b < CELLS[1]]
        for offer in [out[place].copy() for place in around]:
            least, best = min((least, best), (cost(now, key, i, j, offer), offer), key=lambda one: one[0])
        for offer in best + HALVES:
            least, best = min((least, best), (cost(now, key, i, j, offer), offer), key=lambda one: one[0])
        out[i, j] = best
    return out


HALVES = np.array([(0, 0.5), (0, -0.5), (0.5, 0), (-0.5, 0)])


@pytest.mark.parametrize("away", [matching.NEAR, matching.FAR])
def test_it_is_the_search_cell_by_cell(key, away):
    """Over all borders and beyond them; no two offers are equally good."""
    start = np.random.default_rng(6).uniform(-6, 6, (*CELLS, 2)).astype(np.float32)
    now = shifted(key, 2, -1)
    found = matching.refine(now, key, start, ALL, away=away)
    np.testing.assert_allclose(found, defined(now, key, start, away), atol=1e-5)
