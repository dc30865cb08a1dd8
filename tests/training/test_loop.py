import csv
import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from taplab.data.stills import SyntheticStills
from taplab.errors import OutputError, SettingError, SourceError, TaplabError
from taplab.models.pretrained import card_for, load_pretrained, read_card
from taplab.models.zoo import build
from taplab.training import checkpoint, loop
from taplab.training.loop import train
from taplab.training.recipes import RECIPES, TrainSettings
from taplab.types import IGNORE


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def stills():
    return SyntheticStills(range(3), 96, 128, per_drive=2)


def settings(recipe="road", **changes):
    small = {
        "steps": 6,
        "batch": 2,
        "crops": ((1.0, (64, 64)),),
        "warmup": 2,
        "validate_every": 3,
        "checkpoint_every": 2,
    }
    return replace(RECIPES[recipe], **{**small, "amp": False, **changes})


def fresh(architecture="bl2", width=0.125):
    torch.manual_seed(1)
    return build(architecture, 11, width)


def stop_at(step, entry_with="miou"):
    """Progress that breaks off at the validation of this step or the next one."""

    def progress(entry):
        if entry["step"] >= step and entry_with in entry:
            raise StoppedError

    return progress


def ctrl_c_at(step):
    """Progress during which Ctrl-C is pressed, when the loss of this step is logged."""

    def progress(entry):
        if entry["step"] == step and "loss" in entry:
            signal.raise_signal(signal.SIGINT)

    return progress


@pytest.fixture
def every_step_is_logged(monkeypatch):
    monkeypatch.setattr(loop, "_LOG_EVERY", 1)


def log_of(out):
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in entry.items() if k != "seconds_per_step"} for entry in entries]


def assert_same(one, two):
    """The same to the bit."""
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_training_lowers_the_loss_and_is_logged(stills, tmp_path):
    entries = []
    train(fresh(), stills, tmp_path, settings(steps=40), validation=stills, progress=entries.append)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log == entries
    losses = [e["loss"] for e in log if "loss" in e]
    assert losses[-1] < losses[0]
    assert [e["rate"] for e in log if "rate" in e] == [settings(steps=40).rate_at(step) for step in (19, 39)]
    validated = [e for e in log if "miou" in e]
    assert [e["step"] for e in validated] == [*range(3, 40, 3), 40]
    assert set(validated[-1]["iou"]) == set(stills.classes)
    assert validated[-1]["validation_loss"] < validated[0]["validation_loss"]
    with (tmp_path / "log.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [int(row["step"]) for row in table] == [e["step"] for e in log]
    assert [float(row["miou"]) for row in table if row["miou"]] == [e["miou"] for e in validated]
    assert [float(row["loss"]) for row in table if row["loss"]] == losses


@pytest.mark.parametrize(
    ("recipe", "architecture"),
    [("road", "bl2"), ("paper", "bl2"), ("paper", "bl1"), ("paper", "bl3"), ("road", "bl3")],  # BL3 has dropout
)
@pytest.mark.usefixtures("every_step_is_logged")
def test_resuming_is_exact_to_the_bit(stills, tmp_path, recipe, architecture):
    how = settings(recipe)
    whole = train(fresh(architecture), stills, tmp_path / "whole", how, validation=stills)
    with pytest.raises(StoppedError):
        train(fresh(architecture), stills, tmp_path / "parts", how, validation=stills, progress=stop_at(3, "loss"))
    assert checkpoint.saved_step(tmp_path / "parts") == 2
    torch.manual_seed(77)  # resuming must not depend on the generator's state
    net = build(architecture, 11, 0.125)
    assert_same(whole, train(net, stills, tmp_path / "parts", how, validation=stills))
    # What was logged after the checkpoint is not there twice.
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")


@pytest.mark.usefixtures("every_step_is_logged")
@pytest.mark.parametrize("step", [1, 3, 6])  # 3 is to be validated, 6 is the last
def test_ctrl_c_saves_the_step_at_once(stills, tmp_path, step):
    how = settings(checkpoint_every=1000)
    card = card_for("bl2", 0.125, stills.classes, stills.palette, "made for this test")
    whole = train(fresh(), stills, tmp_path / "whole", how, validation=stills)
    told = []
    with pytest.raises(KeyboardInterrupt):
        train(
            *(fresh(), stills, tmp_path / "parts", how),
            validation=stills,
            card=card,
            progress=ctrl_c_at(step),
            on_interrupt=lambda: told.append("stopping"),
        )
    assert told == ["stopping"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert checkpoint.saved_step(tmp_path / "parts") == step
    assert read_card(tmp_path / "parts/model.safetensors").origin.endswith(f"step {step} of 6")
    assert_same(whole, train(fresh(), stills, tmp_path / "parts", how, validation=stills))
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")  # with the validation that was left out


def test_ctrl_c_does_not_wait_for_a_validation(stills, tmp_path, monkeypatch):
    how = settings(checkpoint_every=1000)
    whole = train(fresh(), stills, tmp_path / "whole", how, validation=stills)

    def long_validation(*args, **how):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "validate", long_validation)
        with pytest.raises(KeyboardInterrupt):
            train(fresh(), stills, tmp_path / "parts", how, validation=stills)
    assert checkpoint.saved_step(tmp_path / "parts") == 3
    assert_same(whole, train(fresh(), stills, tmp_path / "parts", how, validation=stills))
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")


@pytest.mark.usefixtures("every_step_is_logged")
def test_ctrl_c_twice_saves_nothing_that_is_half_done(stills, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(
            *(fresh(), stills, tmp_path, settings(checkpoint_every=1000)),
            progress=ctrl_c_at(2),
            on_interrupt=lambda: signal.raise_signal(signal.SIGINT),
        )
    assert checkpoint.saved_step(tmp_path) is None


def test_the_number_of_loaders_changes_nothing(stills, tmp_path):
    assert_same(*(train(fresh(), stills, tmp_path / str(n), settings(), loaders=n) for n in (1, 3)))


def test_another_recipe_does_not_resume(stills, tmp_path):
    train(fresh(), stills, tmp_path, settings(steps=2))
    with pytest.raises(OutputError, match="other settings or data"):
        train(fresh(), stills, tmp_path, settings(steps=3))
    with pytest.raises(OutputError, match="recipe road"):
        train(fresh(), stills, tmp_path, settings("paper", steps=2))
    with pytest.raises(OutputError, match="other settings or data"):
        train(build("bl2", 11, 0.25), stills, tmp_path, settings(steps=2))
    with pytest.raises(OutputError, match="other settings or data"):
        train(fresh(), SyntheticStills(range(4, 6), 96, 128, per_drive=2), tmp_path, settings(steps=2))
    renamed = SyntheticStills(range(3), 96, 128, per_drive=2)
    renamed.classes = stills.classes[::-1]
    with pytest.raises(OutputError, match="other settings or data"):
        train(fresh(), renamed, tmp_path, settings(steps=2))


def test_other_weights_to_begin_with_do_not_resume(stills, tmp_path):
    one, other = (tmp_path / f"{name}.safetensors" for name in "ab")
    for k, file in enumerate((one, other)):
        file.write_bytes(bytes([k]))
    train(fresh(), stills, tmp_path / "out", settings(steps=2), init=one)
    train(fresh(), stills, tmp_path / "out", settings(steps=2), init=one)
    for init in (other, None):
        with pytest.raises(OutputError, match=r"or another --init \(recipe road\); give them again"):
            train(fresh(), stills, tmp_path / "out", settings(steps=2), init=init)


def test_checkpoints_from_before_there_were_recipes_resume_as_road(stills, tmp_path):
    train(fresh(), stills, tmp_path, settings(steps=2))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    about = json.loads(state["about"])
    for name in ("name", "optimiser", "balanced", "label_step", "clip"):
        del about["settings"][name]
    del about["classes"], about["init"]
    torch.save({**state, "about": json.dumps(about)}, tmp_path / "checkpoint.pt")
    train(fresh(), stills, tmp_path, settings(steps=2))
    with pytest.raises(OutputError, match="recipe road"):
        train(fresh(), stills, tmp_path, settings(steps=2, clip=1.0))


def test_a_broken_checkpoint_is_told(stills, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(OutputError, match=r"checkpoint\.pt: is damaged; remove it"):
        train(fresh(), stills, tmp_path, settings(steps=2))
    assert not (tmp_path / "settings.json").exists()


def test_files_of_others_are_not_overwritten(stills, tmp_path):
    (tmp_path / "log.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"log\.csv: is there already"):
        train(fresh(), stills, tmp_path, settings(steps=2))
    assert (tmp_path / "log.csv").read_text() == "mine"


def test_a_loss_that_explodes_is_told(stills, tmp_path):
    net = fresh()
    torch.nn.init.constant_(net.classifier.bias, float("nan"))
    with pytest.raises(TaplabError, match="learning rate"):
        train(net, stills, tmp_path, settings())


def test_an_interrupted_training_leaves_a_model(stills, tmp_path):
    card = card_for("bl2", 0.125, stills.classes, stills.palette, "made for this test")
    how = settings(steps=9)
    with pytest.raises(StoppedError):
        train(fresh(), stills, tmp_path, how, validation=stills, card=card, progress=stop_at(6))
    model = load_pretrained(tmp_path)
    assert model.classes == stills.classes
    assert list(model.palette) == list(stills.palette)
    assert read_card(tmp_path / "model.safetensors").origin == "made for this test; step 6 of 9"
    model.warm_up((64, 64))
    net = train(fresh(), stills, tmp_path, how, validation=stills, card=card)
    (tmp_path / "model.safetensors").unlink()
    train(fresh(), stills, tmp_path, how, validation=stills, card=card)  # finished already: exports only
    exported = load_pretrained(tmp_path, precision="float32").net.state_dict()
    for name, value in net.state_dict().items():
        assert torch.allclose(exported[name], value, rtol=2e-3, atol=1e-4)


def test_the_paper_s_recipe_adds_nothing_to_the_network(stills, tmp_path):
    """The weights under training are the network's: no auxiliary head, no average."""
    net = train(fresh(), stills, tmp_path, settings("paper", steps=2))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert {k.removeprefix("net.") for k in state["net"]} == {*net.state_dict(), "mean", "std"}
    for name, value in net.state_dict().items():
        assert torch.equal(state["net"][f"net.{name}"], value)
    (group,) = state["optimiser"]["param_groups"]
    assert (group["betas"], group["weight_decay"]) == ((0.9, 0.999), 1e-6)
    assert not group["decoupled_weight_decay"]


def test_tensorboard(stills, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(StoppedError):
        train(fresh(), stills, tmp_path, settings(), validation=stills, tensorboard=True, progress=stop_at(3))
    train(fresh(), stills, tmp_path, settings(), validation=stills, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("validation/miou")] == [3, 6]
    assert [e.step for e in events.Scalars("train/loss")] == [6]
    assert {"train/rate", "validation/validation_loss", "iou/road"} <= set(events.Tags()["scalars"])


def test_tensorboard_that_is_not_installed_is_told(stills, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TaplabError, match=r"pip install 'taplab\[train\]'"):
        train(fresh(), stills, tmp_path, settings(), tensorboard=True)
    assert not list(tmp_path.iterdir())


class Few:
    """Some labelled images of a user's own."""

    def __init__(self, *pairs, classes=("a", "b")):
        self.pairs, self.classes, self.palette = pairs, tuple(classes), [(i, i, i) for i in range(len(classes))]

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def pair(size=(70, 80), labels_size=None, value=1):
    return np.full((*size, 3), 100, np.uint8), np.full(labels_size or size, value, np.uint8)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (Few(), "training set is empty"),
        (Few(pair(), pair(labels_size=(70, 81))), "number 1 of the training set: image of 70x80, labels of 70x81"),
        (Few(pair(value=2)), "label id 2, but there are 2 classes"),
        (Few(pair(value=IGNORE)), "no pixel of the training set has a label"),
    ],
)
def test_wrong_data_is_told_before_training(data, says, tmp_path):
    with pytest.raises(SourceError, match=says):
        train(build("bl2", 2, 0.125), data, tmp_path, settings())
    assert not (tmp_path / "log.jsonl").exists()


def test_a_validation_set_that_does_not_fit_is_told(stills, tmp_path):
    with pytest.raises(SourceError, match="other classes"):
        train(fresh(), stills, tmp_path, settings(), validation=Few(pair()))
    with pytest.raises(SourceError, match="validation set"):
        train(fresh(), stills, tmp_path, settings(), validation=Few())


def test_crops_without_labels_are_no_accident(tmp_path):
    """One labelled corner: most batches hold nothing to learn from."""
    rgb, labels = pair((200, 200), value=IGNORE)
    labels[:2, :2] = 1
    for recipe in RECIPES:
        net = train(build("bl2", 2, 0.125), Few((rgb, labels)), tmp_path / recipe, settings(recipe))
        assert all(v.isfinite().all() for v in net.state_dict().values())


def test_batches_of_one_are_refused(stills, tmp_path):
    with pytest.raises(SettingError, match="two or more"):
        train(fresh(), stills, tmp_path, settings(batch=1))
    with pytest.raises(SettingError, match="above 0"):
        TrainSettings(rate=0.0)
