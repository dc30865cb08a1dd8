import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from taplab import DeviceError, MissingExtraError, ModelError, OnnxModel, PaperSettings, Segmenter, load_model


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


@pytest.mark.parametrize("batch", [2, 3, 4])
def test_a_fixed_batch_is_filled_up(tmp_path, batch):
    pool = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[4, 4], strides=[4, 4])
    model = OnnxModel(save(tmp_path / "b.onnx", [batch, 3, "h", "w"], [batch, 3, "a", "b"], [pool]), **PLAIN)
    means = IMAGES.reshape(3, 16, 4, 24, 4, 3).mean((2, 4)).transpose(0, 3, 1, 2) / 255
    for images in (1, 2, 3):
        assert np.allclose(model(IMAGES[:images]), means[:images], atol=1e-5)


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


def argmax_network(path, keepdims, last=False):
    """Gives the number of the brightest channel of every pixel; last: as [N, h, w, 1]."""
    flat = [helper.make_node("ArgMax", ["x"], ["k" if last else "y"], axis=1, keepdims=keepdims)]
    flat += [helper.make_node("Transpose", ["k"], ["y"], perm=[0, 2, 3, 1])] if last else []
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    graph = helper.make_graph(flat, "g", inputs, [helper.make_tensor_value_info("y", TensorProto.INT64, None)])
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


@pytest.mark.parametrize(("keepdims", "last"), [(0, False), (1, False), (1, True)])
def test_class_numbers_as_they_are(tmp_path, dynamic, keepdims, last):
    model = OnnxModel(argmax_network(tmp_path / "a.onnx", keepdims, last), classes=("r", "g", "b"), **PLAIN)
    assert model.gives_numbers
    assert np.array_equal(model.numbers(IMAGES), IMAGES.argmax(-1))
    assert not OnnxModel(dynamic).gives_numbers


def heads_network(path, first):
    """Outputs "boxes" [1, 5, 4] or "small" [n, 2, h, w], then "scores" [n, 3, h / 4, w / 4]: the picture, averaged."""
    nodes = [
        helper.make_node("AveragePool", ["x"], ["scores"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Slice", ["x", "zero", "two", "one"], ["small"]),
        helper.make_node("Identity", ["five"], ["boxes"]),
    ]
    held = {"zero": np.array([0]), "two": np.array([2]), "one": np.array([1]), "five": np.zeros((1, 5, 4), np.float32)}
    shapes = {"boxes": [1, 5, 4], "small": ["n", 2, "h", "w"], "scores": ["n", 3, "a", "b"]}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in (first, "scores")],
        [onnx.numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("first", ["boxes", "small"])
def test_another_output_than_the_first_is_used_if_it_is_named(tmp_path, first):
    path = heads_network(tmp_path / "heads.onnx", first)
    expected = IMAGES.reshape(3, 16, 4, 24, 4, 3).mean((2, 4)).transpose(0, 3, 1, 2) / 255
    assert np.allclose(OnnxModel(path, output="scores", **PLAIN)(IMAGES), expected, atol=1e-5)
    path.with_suffix(".toml").write_text('output = "scores"')
    assert np.allclose(OnnxModel(path, **PLAIN)(IMAGES), expected, atol=1e-5)


def test_outputs_are_listed_where_the_first_has_no_scores(tmp_path):
    path = heads_network(tmp_path / "heads.onnx", "boxes")
    listed = r"boxes \[1, 5, 4\], scores \[\?, 3, \?, \?\]$"
    with pytest.raises(ModelError, match=rf'name it in a TOML file of the same name, output = "NAME": it has {listed}'):
        OnnxModel(path)
    with pytest.raises(ModelError, match=rf"has no output 'score'; it has {listed}"):
        OnnxModel(path, output="score")
    with pytest.raises(ModelError, match=r"threshold = 0.5 where it is a probability, .* else 0$"):
        OnnxModel(path, output="boxes")
    heads_network(path, "small")
    with pytest.raises(ModelError, match="scores 2 classes, but 3 class names were given; or, if it is another output"):
        OnnxModel(path, classes=("r", "g", "b"))


def test_a_threshold_beside_a_score_for_each_class_is_refused(dynamic):
    with pytest.raises(ModelError, match="gives a score for each class, the highest wins; leave threshold out"):
        OnnxModel(dynamic, threshold=0.5)


def test_class_numbers_without_a_name_are_told(tmp_path):
    argmax_network(tmp_path / "a.onnx", 0)
    with pytest.raises(ModelError, match="class number 2, but 2 class names"):
        OnnxModel(tmp_path / "a.onnx", classes=("r", "g"), **PLAIN)(IMAGES)


def mask_network(path, kind, times):
    """``times`` where red is above a half, as ``kind``."""
    half, factor = (onnx.numpy_helper.from_array(np.array(v, np.float32), n) for v, n in ((0.5, "half"), (times, "f")))
    nodes = [
        helper.make_node("Slice", ["x", "zero", "one", "one"], ["red"]),
        helper.make_node("Greater", ["red", "half"], ["more"]),
        helper.make_node("Cast", ["more"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "f"], ["big"]),
        helper.make_node("Cast", ["big"], ["y"], to=kind),
    ]
    zero, one = (onnx.numpy_helper.from_array(np.array([v]), n) for v, n in ((0, "zero"), (1, "one")))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [half, factor, zero, one])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize(
    ("kind", "times", "settings"),
    [
        (TensorProto.BOOL, 1, {"classes": ("a", "b")}),
        (TensorProto.BOOL, 1, {"threshold": 0.5}),
        (TensorProto.UINT8, 1, {"classes": ("a", "b")}),
        (TensorProto.UINT8, 255, {"threshold": 127}),
        (TensorProto.UINT8, 255, {"classes": ("a", "b"), "threshold": 127}),
    ],
)
def test_a_finished_mask_becomes_two_classes(tmp_path, kind, times, settings):
    scores = OnnxModel(mask_network(tmp_path / "m.onnx", kind, times), **PLAIN, **settings)(IMAGES)
    assert np.array_equal(scores.argmax(1), IMAGES[..., 0] > 127)


def test_a_mask_of_0_and_255_is_not_taken_for_class_numbers(tmp_path):
    model = OnnxModel(mask_network(tmp_path / "m.onnx", TensorProto.UINT8, 255), classes=("a", "b"), **PLAIN)
    with pytest.raises(ModelError, match=r"class number 255.* threshold = "):
        model(IMAGES)


def test_uint8_images_are_given_as_they_are(tmp_path):
    half = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    inputs = [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", "h", "w", 3])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "h", "w", 3])]
    graph = helper.make_graph([half], "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "u8.onnx")
    assert np.array_equal(OnnxModel(tmp_path / "u8.onnx")(IMAGES).permute(0, 2, 3, 1), IMAGES)
    bgr = OnnxModel(tmp_path / "u8.onnx", bgr=True, multiple=80)(IMAGES)
    assert bgr.shape == (3, 3, 80, 160)
    assert np.allclose(bgr.mean((0, 2, 3)), IMAGES.mean((0, 1, 2))[::-1], atol=1)


def test_pictures_are_enlarged_to_a_multiple(tmp_path):
    """The way back up of a network with skips: halved and doubled, it does not fit odd sizes."""
    nodes = [
        helper.make_node("AveragePool", ["x"], ["s"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Resize", ["s", "", "by"], ["u"], mode="nearest"),
        helper.make_node("Add", ["u", "x"], ["y"]),
    ]
    inputs, outputs = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 3, "h", "w"]) for n in "xy")
    by = onnx.numpy_helper.from_array(np.array([1, 1, 32, 32], np.float32), "by")
    graph = helper.make_graph(nodes, "g", [inputs], [outputs], [by])
    path = tmp_path / "skips.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    images = IMAGES[:, :45, :70]
    with pytest.raises(ModelError, match=r"cannot take .*multiple = 32"):
        OnnxModel(path)(images)
    path.with_suffix(".toml").write_text("multiple = 32")
    assert OnnxModel(path)(images).shape == (3, 3, 64, 96)


def test_a_single_map_becomes_two_if_there_is_a_threshold(tmp_path):
    path = scores_network(tmp_path / "one.onnx", 1, 4, "first", None, first=1)
    with pytest.raises(ModelError, match=r"one score map; write .* threshold"):
        OnnxModel(path)
    path.with_suffix(".toml").write_text('threshold = 0.25\nclasses = ["sky", "person"]')
    model = OnnxModel(path, **PLAIN)
    scores = model(IMAGES)
    assert scores.shape == (3, 2, 16, 24)
    assert np.array_equal(scores.argmax(1), IMAGES[:, ::4, ::4, 0] > 0.25 * 255)
    with pytest.raises(ModelError, match="one map of float32, but 3 class names"):
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
        "palette = [[1, 2], [3, 4], [5, 6]]",
        "palette = [[1, 2, 300], [3, 4, 5], [5, 6, 7]]",
        "classes = [1, 2, 3]",
        'bgr = "false"',
        "mean = [123.7, 116.3, 103.5]",
        "std = [nan, 1, 1]",
        "multiple = 0",
        "=",
    ],
)
def test_settings_beside_the_file_are_checked(dynamic, text):
    dynamic.with_suffix(".toml").write_text(text)
    with pytest.raises(ModelError):
        OnnxModel(dynamic)


def test_settings_beside_the_file(dynamic):
    dynamic.with_suffix(".toml").write_text(
        'classes = ["r", "g", "b"]\nbgr = true\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n', "utf-8-sig"
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


@pytest.mark.parametrize("device", ["gpu", "mps", "cudda", "cpu:1", "cuda:x", ""])
def test_no_device_is_taken_for_the_processor(dynamic, device):
    with pytest.raises(DeviceError, match="no such device; ONNX Runtime runs on cpu, cuda and cuda:N"):
        OnnxModel(dynamic, device=device)


def test_numpy_s_classes_and_colours(dynamic):
    colours = np.arange(9, dtype=np.uint8).reshape(3, 3)
    model = OnnxModel(dynamic, classes=np.array([1, 2, 3]), palette=colours, multiple=np.int64(8))
    assert model.classes == ("1", "2", "3")
    assert model.palette == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"palette": [(1, 2, 3, 4)] * 3}, "palette: write three whole numbers"),
        ({"palette": []}, "palette: write three whole numbers"),
        ({"multiple": 2.5}, "multiple = 2.5: write a whole number"),
        ({"classes": 3}, "classes 3: give their names"),
    ],
)
def test_arguments_are_checked(dynamic, how, says):
    with pytest.raises(ModelError, match=says):
        OnnxModel(dynamic, **how)


def test_one_fixed_side_is_told(tmp_path):
    pool = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[4, 4], strides=[4, 4])
    with pytest.raises(ModelError, match="only one of its rows and columns is open; export it with both"):
        OnnxModel(save(tmp_path / "half.onnx", ["n", 3, 64, "w"], ["n", 3, 16, "b"], [pool]))


def test_the_missing_extra_names_the_install_line(monkeypatch, dynamic):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taplab\[onnx\]'"):
        OnnxModel(dynamic)


def test_a_normalisation_that_nobody_gave_is_told(dynamic, make_clip):
    (note,) = Segmenter(OnnxModel(dynamic)).notes
    assert "ImageNet's mean and std are assumed" in note
    assert f"into {dynamic.with_suffix('.toml').name} beside it" in note
    stream = Segmenter(OnnxModel(dynamic)).stream(make_clip("mpeg4"), max_frames=1)
    list(stream)
    assert note in stream.summary().notes
    assert Segmenter(OnnxModel(dynamic, mean=(0, 0, 0), std=(1, 1, 1))).notes == []


def test_a_real_foreign_network(shared):
    mean, std = (0.498, 0.436, 0.403), (66.4, 62.8, 62.9)  # divided by 255 once more, so it was trained
    model = OnnxModel(shared / "models" / "portrait_sinet_softmax.onnx", mean=mean, std=std)
    segmentation = Segmenter(model).stream(shared / "clips" / "portrait_1024x576.mp4", max_frames=24)
    results = list(segmentation)
    assert len(results) == 24
    assert segmentation.summary().network_cost < 0.2
    person = results[5].labels == 1
    assert 0.1 < person.mean() < 0.2  # in the middle, from the hat down
    assert person[-1, 400:700].all()
    assert not person[:180].any()


def test_a_provider_that_does_not_start_is_told(monkeypatch, dynamic):
    """ONNX Runtime itself would go on with the processor, and write a line to its log."""
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    whole = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, options, providers: whole(path, options))
    with pytest.raises(DeviceError, match=r"CUDAExecutionProvider does not start .*--device cpu"):
        OnnxModel(dynamic, device="cuda")
