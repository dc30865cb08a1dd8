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


@pytest.fixture(scope="module")
def segformer(tmp_path_factory):
    torch.manual_seed(0)
    sizes = {"hidden_sizes": [8, 8, 8, 8], "num_attention_heads": [1, 1, 1, 1], "depths": [1, 1, 1, 1]}
    config = transformers.SegformerConfig(**sizes, decoder_hidden_size=16, **LABELS)
    net = transformers.SegformerForSemanticSegmentation(config)
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
