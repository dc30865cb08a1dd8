import numpy as np
import pytest

from taplab.video.motion import RECORD, motion_from_records


def record(x, y, w, h, mx, my, scale=2, source=-1):
    """A vector record of the block whose top left corner is (x, y)."""
    r = np.zeros(1, RECORD)
    r["source"], r["w"], r["h"], r["motion_scale"] = source, w, h, scale
    r["dst_x"], r["dst_y"], r["motion_x"], r["motion_y"] = x + w // 2, y + h // 2, mx, my
    return r


def test_record_matches_the_c_struct():
    assert RECORD.itemsize == 40
    assert RECORD.fields["motion_x"][1] == 24


def test_a_block_gets_its_displacement_in_pixels():
    motion = motion_from_records(record(16, 0, 16, 16, 5, -3), 32, 48, past=7, future=None)
    field = motion.fields[0]
    assert field.reference == 7
    assert motion.coded.sum() == 4  # 16x16 pixels are four blocks of 8x8
    assert motion.coded[:2, 2:4].all()
    assert field.vectors[0, 2].tolist() == [2.5, -1.5]


def test_small_blocks_and_quarter_pels():
    records = np.concatenate([record(0, 0, 8, 8, 4, 0, 4), record(8, 0, 8, 16, -6, 2, 4)])
    motion = motion_from_records(records, 16, 16, past=0, future=None)
    assert motion.fields[0].vectors[0, 0].tolist() == [1, 0]
    assert motion.fields[0].vectors[1, 1].tolist() == [-1.5, 0.5]
    assert not motion.coded[1, 0]


def test_intra_blocks_take_the_nearest_vector():
    records = np.concatenate([record(0, 0, 16, 16, 2, 0), record(64, 48, 16, 16, 0, 8)])
    vectors = motion_from_records(records, 64, 80, past=0, future=None).fields[0].vectors
    known = {(i, j): (1.0, 0.0) for i in (0, 1) for j in (0, 1)}
    known |= {(i, j): (0.0, 4.0) for i in (6, 7) for j in (8, 9)}
    for i in range(8):
        for j in range(10):
            distances = {
                v: min((i - a) ** 2 + (j - b) ** 2 for (a, b), u in known.items() if u == v) for v in known.values()
            }
            if len(set(distances.values())) == 2:  # no tie
                assert tuple(vectors[i, j]) == min(distances, key=distances.get)


def test_records_beyond_the_frame_are_clipped():
    motion = motion_from_records(record(32, 16, 16, 16, 2, 2), 20, 40, past=0, future=None)
    assert motion.coded.shape == (3, 5)
    assert motion.coded.sum() == 1


def test_b_frames_have_two_fields_whose_weights_add_up():
    records = np.concatenate(
        [record(0, 0, 16, 16, 2, 0), record(0, 0, 16, 16, -2, 0, source=1), record(16, 0, 16, 16, 4, 0, source=1)]
    )
    motion = motion_from_records(records, 16, 48, past=3, future=9)
    past, future = motion.fields
    assert (past.reference, future.reference) == (3, 9)
    assert np.allclose(past.weight + future.weight, 1)
    assert past.weight[0].tolist() == [0.5, 0.5, 0, 0, 0.5, 0.5]  # both, future only, intra


@pytest.mark.parametrize(("past", "future"), [(None, None), (None, 4)])
def test_no_motion_without_the_reference(past, future):
    assert motion_from_records(record(0, 0, 16, 16, 2, 0), 16, 16, past, future) is None


def test_no_motion_without_records():
    assert motion_from_records(np.zeros(0, RECORD), 16, 16, 0, 1) is None
