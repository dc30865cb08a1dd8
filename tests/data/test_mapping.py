"""Labels read in the classes of another list."""

import numpy as np
import pytest

from taplab.data.cityscapes import cityscapes_clips
from taplab.data.classes import CAMVID, CITYSCAPES
from taplab.data.clips import ClipSet
from taplab.data.drives import drive_clips
from taplab.data.mapping import in_classes_of
from taplab.errors import SettingError


class OneOfEach:
    """A clip with each of ``count`` classes and no class in its one frame."""

    name, identity, fps, size, labelled = "clip", "1", 1.0, (1, 20), (0,)

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return 1

    def frame(self, index):
        return np.full((1, self.count + 1, 3), index, np.uint8)

    def truth(self, index):
        return np.array([[*range(self.count), 255]], np.uint8)


def one_of_each(classes):
    return ClipSet("set", tuple(classes), [(0, 0, 0)] * len(classes), [OneOfEach(len(classes))], ("a note",))


def test_cityscapes_in_camvid():
    mapped, notes = in_classes_of(one_of_each(CITYSCAPES.names), CAMVID.names)
    assert (mapped.classes, mapped.palette, mapped.notes) == (CAMVID.names, CAMVID.palette, ("a note",))
    labels = mapped.clips[0].truth(0)[0]
    to = {name: "none" if i == 255 else CAMVID.names[i] for name, i in zip(CITYSCAPES.names, labels, strict=False)}
    assert labels[-1] == 255
    assert to["terrain"] == "none"
    assert [to[name] for name in ("road", "sidewalk", "wall", "vegetation", "person")] == [
        "road",
        "pavement",
        "building",
        "tree",
        "pedestrian",
    ]
    assert {to["rider"], to["bicycle"], to["motorcycle"]} == {"bicyclist"}
    assert {to["car"], to["truck"], to["bus"], to["train"]} == {"car"}
    assert set(to.values()) == {*CAMVID.names, "none"}
    assert "sign: traffic light, traffic sign" in notes
    assert "not scored: terrain" in notes
    assert not any(note.startswith(("road", "never")) for note in notes)


def test_same_names_in_any_lists():
    mapped, notes = in_classes_of(one_of_each(["sky", "road", "cow"]), ["road", "horse", "sky"])
    assert mapped.clips[0].truth(0).tolist() == [[2, 0, 255, 255]]
    assert notes == ["not scored: cow", "never in the labels: horse"]


def test_same_list_stays_as_it_is():
    clips = one_of_each(CITYSCAPES.names)
    assert in_classes_of(clips, list(CITYSCAPES.names)) == (clips, [])


def test_identity_tells_the_mapping():
    clips = one_of_each(["sky", "road", "cow"])
    identities = {in_classes_of(clips, names)[0].clips[0].identity for names in (["sky", "road"], ["road", "sky"])}
    assert len(identities | {clips.clips[0].identity}) == 3


def test_the_rest_of_a_clip_is_the_originals():
    clips = drive_clips([1], 64, 96, 2)
    original, mapped = clips.clips[0], in_classes_of(clips, ["road", "sky"])[0].clips[0]
    for what in ("name", "fps", "size", "labelled"):
        assert getattr(mapped, what) == getattr(original, what)
    assert len(mapped) == 2
    assert np.array_equal(mapped.frame(1), original.frame(1))
    assert set(np.unique(mapped.truth(1))) == {0, 1, 255}


@pytest.mark.parametrize("classes", [["cat", "dog"], ["cat", "road"]])
def test_fewer_than_two_in_common(classes):
    with pytest.raises(SettingError, match=r"set: of the model's classes .* are among those of the labels"):
        in_classes_of(one_of_each(CITYSCAPES.names), classes)


def test_real_snippets(shared):
    clips = cityscapes_clips(shared / "cityscapes")
    mapped, _ = in_classes_of(clips, CAMVID.names)
    before, after = clips.clips[0].truth(19), mapped.clips[0].truth(19)
    assert np.array_equal(after == CAMVID.names.index("tree"), before == CITYSCAPES.names.index("vegetation"))
    assert set(np.unique(after)) <= {*range(11), 255}
