import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from taplab import ModelError, PaperSettings, Segmenter, load_model

transformers = pytest.importorskip("transformers")
NAMES = ("sky", "road", "car")
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {name: i for i, name in enumerate(NAMES)}}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)


def saved(folder, net, **processing):
    net.save_pretrained(folder)
    if processing:
        (folder / "preprocessor_config.json").write_text(json.dumps(processing))
    return f"hf:{folder}"


def small_segformer(kind="SegformerForSemanticSegmentation", **changed):
    sizes = {"hidden_sizes": [8, 8, 8, 8], "num_attention_heads": [1, 1, 1, 1], "depths": [1, 1, 1, 1]}
    config = transformers.SegformerConfig(**sizes, decoder_hidden_size=16, **LABELS | changed)
    return getattr(transformers, kind)(config)


@pytest.fixture(scope="module")
def segformer(tmp_path_factory):
    torch.manual_seed(0)
    net = small_segformer()
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    return saved(
        tmp_path_factory.mktemp("segformer"), net, do_normalize=True, image_mean=mean, image_std=std
    ), net.eval()


def test_segformer_says_what_it_says_in_transformers(segformer):
    name, net = segformer
    model = load_model(name)
    assert model.classes == NAMES
    assert model.takes_crops
    x = (torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255 - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / (
        torch.tensor([0.5, 0.6, 0.7]).view(3, 1, 1)
    )
    with torch.inference_mode():
        expected = net(x).logits
    assert expected.shape == (2, 3, 24, 32)
    assert torch.allclose(model(IMAGES), expected, atol=1e-4)


def test_a_clip_is_segmented(segformer, make_clip):
    segmentation = Segmenter(segformer[0], settings=PaperSettings(("ffw",))).stream(make_clip())
    assert len(list(segmentation)) == 30
    assert segmentation.summary().network_cost < 0.2


def test_a_network_of_one_size_sees_frames_at_that(tmp_path):
    torch.manual_seed(0)
    vit = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    neck = {"neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8, "backbone_out_indices": [0, 1, 2, 3]}
    net = transformers.DPTForSemanticSegmentation(transformers.DPTConfig(image_size=64, **vit, **neck, **LABELS)).eval()
    model = load_model(saved(tmp_path, net, do_normalize=False))
    assert not model.takes_crops
    x = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = net(F.interpolate(x, (64, 64), mode="bilinear", antialias=True)).logits
    assert torch.allclose(model(IMAGES), expected, atol=1e-3)


def test_a_network_of_patches_sees_whole_ones(tmp_path):
    vit = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BeitConfig(
        image_size=64, patch_size=16, out_indices=[0, 1, 2, 3], use_relative_position_bias=True, **vit, **LABELS
    )
    model = load_model(saved(tmp_path, transformers.BeitForSemanticSegmentation(config)))
    assert model.takes_crops
    assert model.prepared(IMAGES[:, :90, :120]).shape == (2, 3, 96, 128)  # not the 5 x 7 patches that are whole


def test_blue_comes_first_and_nothing_is_normalised_where_the_processor_does_so(tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 16, 16, 24, 24, 32], "num_attention_heads": 2}
    net = transformers.MobileViTForSemanticSegmentation(transformers.MobileViTConfig(image_size=64, **sizes, **LABELS))
    model = load_model(saved(tmp_path, net.eval(), feature_extractor_type="MobileViTFeatureExtractor"))
    with torch.inference_mode():
        expected = net(torch.from_numpy(IMAGES).permute(0, 3, 1, 2).flip(1) / 255).logits
    assert torch.allclose(model(IMAGES), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("said", "mean", "std"),
    [
        ({"image_processor_type": "DPTImageProcessor"}, 0.5, 0.5),  # what the file leaves out is its class's
        ({"image_mean": 0.25, "image_std": 0.5}, 0.25, 0.5),
        ({"do_rescale": False, "image_mean": [51] * 3, "image_std": [102] * 3}, 0.2, 0.4),
        ({"do_rescale": False, "do_normalize": False}, 0, 1 / 255),
        ({"rescale_factor": 1 / 127.5, "do_normalize": False}, 0, 0.5),
    ],
)
def test_mean_and_std_are_the_processors(tmp_path, said, mean, std):
    model = load_model(saved(tmp_path, small_segformer(), **said))
    assert model.mean == pytest.approx((mean,) * 3)
    assert model.std == pytest.approx((std,) * 3)


def test_a_network_saved_in_half_precision_computes_in_float32(tmp_path):
    model = load_model(saved(tmp_path, small_segformer().half()))
    assert model.takes_crops
    assert model(IMAGES).shape == (2, 3, 24, 32)


def test_classes_and_masks_of_queries_become_scores(tmp_path):
    torch.manual_seed(0)
    stages = [f"stage{k}" for k in range(1, 5)]
    backbone = transformers.SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=4,
        out_features=stages,
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=16,
        num_queries=5,
        **LABELS,
    )
    net = transformers.Mask2FormerForUniversalSegmentation(config).eval()
    model = load_model(saved(tmp_path, net, do_normalize=False))
    scores = model(IMAGES)
    with torch.inference_mode():
        out = net(torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255)
    assert torch.allclose(scores, one_by_one(out), atol=1e-4)


def one_by_one(out):
    """Scores, query by query."""
    classes, masks = out.class_queries_logits.softmax(-1), out.masks_queries_logits.sigmoid()
    total = torch.zeros(len(classes), classes.shape[-1] - 1, *masks.shape[-2:])
    for q in range(classes.shape[1]):
        total += classes[:, q, :-1, None, None] * masks[:, q, None]
    return total


def test_what_is_not_there_or_no_segmentation(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        load_model(f"hf:{tmp_path / 'none'}")
    net = transformers.ViTModel(
        transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    )
    with pytest.raises(ModelError, match="vit is no network for semantic segmentation"):
        load_model(saved(tmp_path, net))


@pytest.mark.parametrize("kind", ["SegformerModel", "SegformerForImageClassification"])
def test_a_network_without_a_head_for_segmentation_is_refused(tmp_path, kind):
    with pytest.raises(ModelError, match=r"no weights that fit decode_head.*; give a checkpoint that was trained for"):
        load_model(saved(tmp_path, small_segformer(kind)))


def cut_off(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def written(file, text):
    return lambda folder: (folder / file).write_text(text)


def configured(**said):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | said))

    return change


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut_off, "cannot be loaded: "),
        (configured(decoder_hidden_size=32), "has no weights that fit decode_head"),
        (configured(id2label={1: "a", 2: "b", 3: "c"}), "id2label in its config.json has no class 0; number them"),
        (written("preprocessor_config.json", "{"), "its preprocessor_config.json cannot be used: .*not a valid JSON"),
    ],
)
def test_a_spoilt_folder_is_told_in_one_line(tmp_path, spoil, told):
    name = saved(tmp_path, small_segformer())
    spoil(tmp_path)
    with pytest.raises(ModelError, match=told) as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


def test_why_a_network_takes_no_frame_is_told(tmp_path, monkeypatch):
    def refuses(self, x):
        raise RuntimeError("needs a second input")

    monkeypatch.setattr(transformers.SegformerForSemanticSegmentation, "forward", refuses)
    with pytest.raises(ModelError, match=r"takes no frame of 150x250 \(RuntimeError: needs a second input\)"):
        load_model(saved(tmp_path, small_segformer()))
