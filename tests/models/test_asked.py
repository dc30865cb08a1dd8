import numpy as np
import pytest
import torch

from taplab import Model, ModelError, PaperSettings, Segmenter
from taplab.models.asked import asked, asked_numbers, check_finite, check_model

IMAGES = np.zeros((2, 8, 12, 3), np.uint8)


class Users(Model):
    """A user's own model that gives what it is told to."""

    name, classes, palette = "mine", ("a", "b", "c"), ((0, 0, 0), (9, 9, 9), (99, 99, 99))

    def __init__(self, give):
        self.give = give

    def __call__(self, images):
        return self.give(images)


def brightness(images, kind=torch.float32):
    grey = torch.from_numpy(images).float().mean(-1)[:, None, ::2, ::2] / 255
    return torch.cat([0.4 - grey, 0.1 - (grey - 0.5).abs(), grey - 0.6], 1).to(kind)


@pytest.mark.parametrize(
    ("give", "says"),
    [
        (lambda x: 1 / 0, "mine, given 2 x 8x12 pixels: raised ZeroDivisionError: division by zero"),
        (
            lambda x: brightness(x).numpy(),
            r"returned float32 \[2, 3, 4, 6\]; expected a float torch.Tensor \[2, 3, h, w",
        ),
        (lambda x: brightness(x).argmax(1), r"returned Tensor \[2, 4, 6\]"),
        (lambda x: brightness(x).long(), r"returned Tensor \[2, 3, 4, 6\]"),
        (lambda x: brightness(x)[0], r"returned Tensor \[3, 4, 6\]"),
        (lambda x: brightness(x)[..., :0], r"returned scores \[2, 3, 4, 0\]"),
        (lambda x: brightness(x)[:1], r"returned scores \[1, 3, 4, 6\]"),
        (lambda x: brightness(x).permute(0, 2, 3, 1), r"returned scores \[2, 4, 6, 3\]"),
    ],
)
def test_wrong_answers_are_told(give, says):
    model = Users(give)
    with pytest.raises(ModelError, match=says):
        asked(model, model, IMAGES)


class Sure(Users):
    """Says which class, not how sure it is."""

    gives_numbers = True

    def numbers(self, images):
        return self.give(images)

    def __call__(self, images):
        return torch.nn.functional.one_hot(self.give(images).long(), 3).permute(0, 3, 1, 2).float()


def by_brightness(images, times=3):
    return (torch.from_numpy(images).float().mean(-1) * times / 256).to(torch.uint8)


@pytest.mark.parametrize(
    ("give", "says"),
    [
        (lambda x: 1 / 0, "mine, given 2 x 8x12 pixels: raised ZeroDivisionError"),
        (
            lambda x: by_brightness(x).long(),
            r"returned class numbers Tensor \[2, 8, 12\]; expected a uint8 torch.Tensor",
        ),
        (lambda x: by_brightness(x)[None], r"returned class numbers Tensor \[1, 2, 8, 12\]"),
        (lambda x: by_brightness(x)[:1], r"returned class numbers Tensor \[1, 8, 12\]"),
        (lambda x: by_brightness(x).numpy(), r"returned class numbers uint8 \[2, 8, 12\]"),
        (lambda x: by_brightness(x) + 3, "returned class number 3, but has 3 classes"),
    ],
)
def test_wrong_class_numbers_are_told(give, says):
    with pytest.raises(ModelError, match=says):
        asked_numbers(Sure(give), IMAGES)


@pytest.mark.parametrize("mode", ["offline", "live", "paper", "per-frame"])
def test_class_numbers_are_carried_as_the_scores_they_stand_for(make_clip, mode):
    sure, other = Sure(by_brightness), Sure(by_brightness)
    other.gives_numbers = False
    found, expected = (
        [r.labels for r in Segmenter(m, mode=mode).stream(make_clip(), max_frames=14)] for m in (sure, other)
    )
    assert np.mean([(a == b).mean() for a, b in zip(found, expected, strict=True)]) > 0.9999


class OneBuffer(Sure):
    """Writes what it says over what it said."""

    def __init__(self, gives_numbers):
        super().__init__(by_brightness)
        self.gives_numbers, self.buffers = gives_numbers, {}

    def written(self, said):
        buffer = self.buffers.setdefault(said.shape, torch.empty_like(said))
        return buffer.copy_(said)

    def numbers(self, images):
        return self.written(super().numbers(images))

    def __call__(self, images):
        return self.written(brightness(images))


@pytest.mark.parametrize("mode", ["offline", "live", "paper", "per-frame"])
@pytest.mark.parametrize("gives_numbers", [False, True])
def test_a_model_may_write_into_the_same_memory_at_every_pass(make_clip, monkeypatch, mode, gives_numbers):
    monkeypatch.setattr("taplab.network.CPU_BATCH_PIXELS", 1)  # one by one, as large frames are seen
    reusing, fresh = OneBuffer(gives_numbers), OneBuffer(gives_numbers)
    fresh.written = lambda said: said
    settings = None if mode == "per-frame" else PaperSettings(("ffw",), interval=3)
    found, expected = (
        [r.scores for r in Segmenter(m, mode=mode, settings=settings, lanes=2).stream(make_clip(), scores=True)]
        for m in (reusing, fresh)
    )
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_per_frame_makes_no_scores_of_class_numbers(make_clip):
    class Numbers(Sure):
        def __call__(self, images):
            raise AssertionError("scores of 1 and 0 take memory and time")

    for give in (by_brightness, lambda x: by_brightness(x)[:, ::8, ::8]):
        numbers, scores = Numbers(give), Sure(give)
        scores.gives_numbers = False
        found, expected = (
            list(Segmenter(model, mode="per-frame").stream(make_clip(), max_frames=5, scores=True))
            for model in (numbers, scores)
        )
        for a, b in zip(found, expected, strict=True):
            assert np.array_equal(a.labels, b.labels)
            assert np.array_equal(a.scores, b.scores)


def test_an_answer_needs_no_gradient():
    weight = torch.nn.Parameter(torch.ones(()))
    model = Users(lambda x: brightness(x) * weight)
    assert not asked(model, model, IMAGES).requires_grad
    model = Users(lambda x: torch.nn.Parameter(brightness(x)))
    assert not asked(model, model, IMAGES).requires_grad


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_are_finite(value):
    scores = torch.zeros(1, 3, 4, 6)
    check_finite(Users(brightness), scores)
    scores[0, 1, 2, 3] = value
    with pytest.raises(ModelError, match="mine: its scores are not finite"):
        check_finite(Users(brightness), scores)


def test_a_model_says_what_it_is():
    class Bare(Model):
        def __call__(self, images):
            return brightness(images)

    with pytest.raises(ModelError, match="has no classes"):
        Segmenter(Bare())
    for classes, palette, says in [
        (("a",), [(0, 0, 0)], "gives one score map"),
        (tuple(map(str, range(256))), [(0, 0, 0)] * 256, "256 classes"),
        (("a", "b"), [(0, 0, 0)], "1 colours for 2 classes"),
    ]:
        model = Users(brightness)
        model.classes, model.palette = classes, palette
        with pytest.raises(ModelError, match=says):
            check_model(model)
    model = Users(brightness)
    model.follow_cost = -0.3
    with pytest.raises(ModelError, match=r"follow_cost -0\.3: write what a glance costs"):
        Segmenter(model)


@pytest.mark.parametrize("mode", ["per-frame", "paper", "live", "offline"])
@pytest.mark.parametrize("kind", [torch.float16, torch.float64])
def test_the_type_of_scores_changes_no_label(make_clip, mode, kind):
    plain, other = (
        [r.labels for r in Segmenter(model, mode=mode).stream(make_clip())]
        for model in (Users(brightness), Users(lambda x: brightness(x, kind)))
    )
    assert np.mean([(a == b).mean() for a, b in zip(plain, other, strict=True)]) > 0.99
