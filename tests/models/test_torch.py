import numpy as np
import pytest
import torch

from taplab import DeviceError, ModelError, TorchModel


class Net(torch.nn.Module):
    def __init__(self, wrap=lambda x: x):
        super().__init__()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(torch.cat([x, -x], 1)[:, :, ::2, ::2])


IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)


def test_normalises_rgb():
    model = TorchModel(Net(), classes="abcdef", mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    scores = model(IMAGES)
    assert scores.shape == (2, 6, 4, 6)
    expected = (IMAGES[1, 2, 4] / 255 - np.array([0.1, 0.2, 0.3])) / np.array([0.5, 0.6, 0.7])
    assert np.allclose(scores[1, :3, 1, 2].numpy(), expected, atol=1e-5)


def test_extra_channels_are_ignored_and_missing_ones_told():
    assert TorchModel(Net(), classes="abcd")(IMAGES).shape[1] == 4
    with pytest.raises(ModelError, match="6 score channels for 7 classes"):
        TorchModel(Net(), classes="abcdefg")(IMAGES)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: (x, x),
        lambda x: {"out": x},
        lambda x: {"logits": x},
        lambda x: type("Out", (), {"logits": x})(),
        lambda x: type("Out", (), {"scores": x})(),
    ],
)
def test_finds_the_scores(wrap):
    assert TorchModel(Net(wrap), classes="abcdef")(IMAGES).shape == (2, 6, 4, 6)


@pytest.mark.parametrize("wrap", [lambda x: {"boxes": x}, lambda x: (), lambda x: None, lambda x: x[0]])
def test_output_without_scores_is_told(wrap):
    with pytest.raises(ModelError, match="no score map"):
        TorchModel(Net(wrap), classes="ab")(IMAGES)


def test_scores_are_no_numbers_and_their_channels_are_not_last():
    with pytest.raises(ModelError, match=r"returned torch\.int64; return scores"):
        TorchModel(Net(lambda x: x.long()), classes="abcdef")(IMAGES)
    with pytest.raises(ModelError, match=r"scores\.permute\(0, 3, 1, 2\)"):
        TorchModel(Net(lambda x: x.permute(0, 2, 3, 1)), classes="abcdef")(np.zeros((1, 64, 96, 3), np.uint8))
    with pytest.raises(ModelError, match=r"returned \[N, h, w, C\]"):  # more channels than classes, in either place
        TorchModel(Net(lambda x: x.permute(0, 2, 3, 1)), classes="abcd")(np.zeros((1, 64, 96, 3), np.uint8))
    square = np.zeros((1, 12, 12, 3), np.uint8)  # six cells wide, six channels
    assert TorchModel(Net(), classes="abcdef")(square).shape == (1, 6, 6, 6)


def test_a_single_score_map_is_refused():
    with pytest.raises(ModelError, match=r"stack \(1 - p, p\)"):
        TorchModel(torch.nn.Conv2d(3, 1, 1), classes="a")(IMAGES)


@pytest.mark.parametrize("wrong", [{"mean": (0.5,)}, {"std": (1, 0, 1)}, {"mean": "x"}, {"palette": [(0, 0, 0)]}])
def test_settings_are_checked(wrong):
    with pytest.raises(ModelError, match=r"three|must not be 0|colours"):
        TorchModel(Net(), classes="ab", **wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"palette": [(0, 0, 300), (0, 0, 0)]}, "three whole numbers, 0 to 255"),
        ({"palette": [(0, 0), (0, 0)]}, "three whole numbers"),
        ({"palette": [(0.1, 0.5, 1.0)] * 2}, "three whole numbers"),
        ({"palette": 5}, "three whole numbers"),
        ({"palette": ["red", "blue"]}, "three whole numbers"),
        ({"palette": [(0, 0, 0), (1, 2)]}, "three whole numbers"),
        ({"precision": "float61"}, "precision 'float61': choose from float32, bfloat16, auto"),
        ({"multiple": 1.5}, r"multiple = 1\.5: write a whole number"),
        ({"classes": 3}, "classes 3: give their names"),
        ({"net": 3}, r"3 is no network; give an instance of torch\.nn\.Module"),
        ({"net": Net}, "is no network"),
    ],
)
def test_what_cannot_be_is_told_when_the_model_is_made(wrong, says):
    with pytest.raises(ModelError, match=says):
        TorchModel(**{"net": Net(), "classes": "ab", **wrong})


def test_a_palette_may_be_an_array():
    colours = np.array([[0, 0, 0], [255, 128, 0]], np.uint8)
    assert TorchModel(Net(), classes="ab", palette=colours).palette == [(0, 0, 0), (255, 128, 0)]


@pytest.mark.parametrize("wrong", [{"mean": (123.7, 116.3, 103.5)}, {"std": (255, 255, 255)}, {"mean": (np.nan, 0, 0)}])
def test_mean_and_std_are_of_0_to_1(wrong):
    with pytest.raises(ModelError, match=r"divide what was meant for 0\.\.255 by 255"):
        TorchModel(Net(), classes="ab", **wrong)


def test_pictures_are_enlarged_to_a_multiple():
    ramp = np.broadcast_to(np.arange(0, 240, 20, dtype=np.uint8)[None, None, :, None], IMAGES.shape).copy()
    plain, scores = (TorchModel(Net(), classes="ab", multiple=m)(ramp) for m in (1, 16))
    assert scores.shape == (2, 2, 8, 8)
    with pytest.raises(ModelError, match="multiple = 0"):
        TorchModel(Net(), classes="ab", multiple=0)(ramp)
    assert torch.allclose(scores.mean((2, 3)), plain.mean((2, 3)), atol=0.3)


def test_bfloat16_is_close():
    net = torch.nn.Conv2d(3, 4, 3, padding=1)
    one = TorchModel(net, classes="abcd")(IMAGES)
    half = TorchModel(net, classes="abcd", precision="bfloat16")(IMAGES)
    assert half.dtype == torch.float32
    assert 0 < (one - half).abs().max() < 0.05


def test_device_is_never_replaced():
    with pytest.raises(DeviceError, match="teapot"):
        TorchModel(Net(), classes="ab", device="teapot")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="--device cpu"):
            TorchModel(Net(), classes="ab", device="cuda")


@pytest.mark.parametrize(("size", "multiple", "told"), [((8, 12), 1, True), ((32, 64), 1, False), ((8, 12), 32, False)])
def test_an_error_that_a_multiple_may_mend_says_so(size, multiple, told):
    class Halves(Net):
        def forward(self, x):
            raise RuntimeError("sizes of tensors must match")

    with pytest.raises(ModelError, match=r"torch, given 2 x \d+x\d+ pixels: raised RuntimeError: sizes") as error:
        TorchModel(Halves(), classes="ab", multiple=multiple)(np.zeros((2, *size, 3), np.uint8))
    assert ("multiple=32" in str(error.value)) is told


def test_an_error_that_no_multiple_mends_does_not_name_it():
    class Mixed(Net):
        def forward(self, x):
            raise RuntimeError("Input type (float) and bias type (c10::Half) should be the same")

    class Silent(Net):
        def forward(self, x):
            raise ValueError

    with pytest.raises(ModelError, match=r"should be the same$"):
        TorchModel(Mixed(), classes="ab")(IMAGES)
    with pytest.raises(ModelError, match=r"raised ValueError$"):
        TorchModel(Silent(), classes="ab")(IMAGES)
