import pytest
from PIL import Image

from taplab import SourceError
from taplab.agreement import Agreement, disagreement, measure_agreement


@pytest.fixture(scope="module")
def model():
    from taplab import load_model

    return load_model("bl2-synthetic")


def test_both_modes_are_compared_with_per_frame(make_clip, model):
    seen = []
    measured = measure_agreement(make_clip("h264", gop=30), model, interval=12, on_frame=seen.append)
    assert [a.mode for a in measured] == ["offline", "live"]
    assert seen == ["agreement"] * 30
    for agreement in measured:
        assert agreement.frames == 30
        assert 0 < agreement.differing / 30 < 30  # per cent
        assert agreement.mismatch > 0
    assert disagreement(measured, "live") == round(measured[1].differing / measured[1].mismatch, 2)


def test_a_network_that_ever_says_the_same_never_disagrees(make_clip, model):
    class Constant(type(model)):
        def __call__(self, images):
            return super().__call__(images) * 0

    constant = object.__new__(Constant)
    constant.__dict__.update(model.__dict__)
    measured = measure_agreement(make_clip("h264", gop=30), constant)
    assert [a.differing for a in measured] == [0, 0]
    assert disagreement(measured, "offline") == 0.01  # a relation must have some


def test_clips_count_by_their_mismatch():
    measured = [Agreement("live", 10.0, 5.0, 10), Agreement("live", 80.0, 20.0, 10), Agreement("offline", 9.0, 9.0, 9)]
    assert disagreement(measured, "live") == 3.6
    assert disagreement(measured, "offline") == 1.0


def test_nothing_to_compare():
    with pytest.raises(SourceError, match="hardly move"):
        disagreement([Agreement("live", 1.0, 0.1, 10)], "live")
    with pytest.raises(SourceError, match="hardly move"):
        disagreement([], "live")


def test_a_folder(drive, model, tmp_path):
    for i in range(8):
        Image.fromarray(drive[i][0]).save(tmp_path / f"{i}.png")
    stages = []
    measured = measure_agreement(tmp_path, model, max_frames=6, on_frame=stages.append)
    assert stages == ["encode"] * 6 + ["agreement"] * 6
    assert measured[0].frames == 6
