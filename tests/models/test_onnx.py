import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from taplab import MissingExtraError, ModelError, OnnxModel, PaperSettings, Segmenter, load_model


def save(path, shape, out_shape, nodes, kind=TensorProto.FLOAT, more=()):
    inputs = [helper.make_tensor_value_info("x", kind, shape), *more]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", kind, out_shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def dynamic(tmp_path):
    pool = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[4, 4], strides=[4, 4])
    return save(tmp_path / "dynamic.onnx", ["n", 3, "h", "w"], ["n", 3, "a", "b"], [pool])


@pytest.fixture
def fixed(tmp_path):
    pool = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    return save(tmp_path / "fixed.onnx", [1, 3, 32, 48], [1, 3, 16, 24], [pool])


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)


def test_dynamic_shapes_take_batches_and_crops(dynamic):
    model = OnnxModel(dynamic, mean=(0, 0, 0), std=(1, 1, 1))
    assert model.takes_crops
    assert model.classes == ("class 0", "class 1", "class 2")
    scores = model(IMAGES)
    assert scores.shape == (3, 3, 16, 24)
    assert np.allclose(scores[2, 1, 0, 0], IMAGES[2, :4, :4, 1].mean() / 255, atol=1e-5)


def test_fixed_shape_resizes_and_turns_rgc_off(fixed, make_clip):
    model = OnnxModel(fixed, mean=(0, 0, 0), std=(1, 1, 1))
    assert not model.takes_crops
    scores = model(IMAGES)
    assert scores.shape == (3, 3, 16, 24)
    assert np.allclose(scores[0, 0].mean(), IMAGES[0, ..., 0].mean() / 255, atol=0.01)
    segmentation = Segmenter(model, settings=PaperSettings(("ffw", "rgc"))).stream(make_clip("mpeg4"))
    assert len(list(segmentation)) == 30
    summary = segmentation.summary()
    assert summary.crops == 0
    assert summary.modules == ["ffw"]
    assert "rgc is off" in summary.notes[0]


def scores_network(path, classes, stride, layout, size=(320, 320), first=0):
    """A network whose classes are multiples of the input's red, at the stride, as [N, C, h, w] or [N, h, w, C]."""
    conv = helper.make_node("Conv", ["x", "w"], ["s"], strides=[stride, stride], kernel_shape=[stride, stride])
    nodes = [conv, helper.make_node("Transpose", ["s"], ["y"], perm=[0, 2, 3, 1] if layout == "last" else [0, 1, 2, 3])]
    weights = np.zeros((classes, 3, stride, stride), np.float32)
    weights[:, 0, 0, 0] = first + np.arange(classes)
    shape = [1, 3, *size] if size else ["n", 3, "h", "w"]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c", "d"])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize(
    ("classes", "stride", "size"), [(150, 4, (320, 320)), (21, 32, None), (19, 16, None), (5, 8, (64, 96))]
)
def test_class_and_space_axes_are_told_apart(tmp_path, layout, classes, stride, size):
    model = OnnxModel(scores_network(tmp_path / "n.onnx", classes, stride, layout, size), mean=(0, 0, 0), std=(1, 1, 1))
    assert len(model.classes) == classes
    scores = model(np.full((1, *(size or (64, 96)), 3), 255, np.uint8))
    assert scores.shape[1] == classes
    assert scores[0, :, 0, 0].argmax() == classes - 1


def argmax_network(path, keepdims):
    """Gives the number of the brightest channel of every pixel."""
    flat = helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=keepdims)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    graph = helper.make_graph([flat], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.INT64, None)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}


@pytest.mark.parametrize("keepdims", [0, 1])
def test_class_numbers_become_scores_if_there_are_names(tmp_path, keepdims):
    path = argmax_network(tmp_path / "a.onnx", keepdims)
    with pytest.raises(ModelError, match="class numbers, no scores; write the names"):
        OnnxModel(path)
    model = OnnxModel(path, classes=("r", "g", "b", "never"), **PLAIN)
    scores = model(IMAGES)
    assert scores.shape == (3, 4, 64, 96)
    assert np.array_equal(scores.argmax(1), IMAGES.argmax(-1))
    assert (scores.sum(1) == 1).all()


def test_a_single_map_becomes_two_if_there_is_a_threshold(tmp_path):
    path = scores_network(tmp_path / "one.onnx", 1, 4, "first", None, first=1)
    with pytest.raises(ModelError, match=r"one score map; write .* threshold"):
        OnnxModel(path)
    path.with_suffix(".toml").write_text('threshold = 0.25\nclasses = ["sky", "person"]')
    model = OnnxModel(path, **PLAIN)
    scores = model(IMAGES)
    assert scores.shape == (3, 2, 16, 24)
    assert np.array_equal(scores.argmax(1), IMAGES[:, ::4, ::4, 0] > 0.25 * 255)
    with pytest.raises(ModelError, match="2 classes, but 3"):
        OnnxModel(path, classes=("a", "b", "c"))


@pytest.mark.parametrize("mode", ["offline", "live"])
def test_a_network_of_class_numbers_segments_a_clip(tmp_path, make_clip, mode):
    model = OnnxModel(argmax_network(tmp_path / "a.onnx", 0), classes=("r", "g", "b"), **PLAIN)
    runs = [Segmenter(model, mode=m, settings=PaperSettings(("ffw",))).stream(make_clip()) for m in ("per-frame", mode)]
    every, carried = ([r.labels for r in run] for run in runs)
    assert np.mean([(a == b).mean() for a, b in zip(every, carried, strict=True)]) > 0.85
    assert runs[1].summary().network_cost < 0.2


@pytest.mark.parametrize(
    "text",
    [
        "bogus = 1",
        'classes = "rgb"',
        "mean = [0.5]",
        "std = [0, 0, 0]",
        'threshold = "x"',
        "palette = [[1, 2, 3]]",
        "=",
    ],
)
def test_settings_beside_the_file_are_checked(dynamic, text):
    dynamic.with_suffix(".toml").write_text(text)
    with pytest.raises(ModelError):
        OnnxModel(dynamic)


def test_settings_beside_the_file(dynamic):
    dynamic.with_suffix(".toml").write_text(
        'classes = ["r", "g", "b"]\nbgr = true\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'
    )
    model = load_model(f"onnx:{dynamic}")
    assert model.classes == ("r", "g", "b")
    assert np.allclose(model(IMAGES)[0, 0, 0, 0], IMAGES[0, :4, :4, 2].mean() / 255, atol=1e-5)  # blue comes first


def test_bad_files_and_inputs(tmp_path, dynamic):
    with pytest.raises(ModelError, match="no such ONNX file"):
        OnnxModel(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="cannot load"):
        OnnxModel(tmp_path / "text.onnx")
    identity = [helper.make_node("Identity", ["x"], ["y"])]
    for shape in ([1, 4, 8, 8], [1, 3]):
        with pytest.raises(ModelError, match="expected one image input"):
            OnnxModel(save(tmp_path / "odd.onnx", shape, shape, identity))
    with pytest.raises(ModelError, match="expected one image input"):
        OnnxModel(save(tmp_path / "int.onnx", ["n", 3, "h", "w"], ["n", 3, "h", "w"], identity, TensorProto.INT64))
    with pytest.raises(ModelError, match="2 class names"):
        OnnxModel(dynamic, classes=("a", "b"))


def test_the_missing_extra_names_the_install_line(monkeypatch, dynamic):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[onnx\]'"):
        OnnxModel(dynamic)


def test_a_real_foreign_network(shared):
    model = OnnxModel(shared / "models" / "portrait_sinet_softmax.onnx")
    segmentation = Segmenter(model).stream(shared / "clips" / "portrait_1024x576.mp4", max_frames=24)
    results = list(segmentation)
    assert len(results) == 24
    assert segmentation.summary().network_cost < 0.2
    assert set(np.unique(results[5].labels)) == {0, 1}
