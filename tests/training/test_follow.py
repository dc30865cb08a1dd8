import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from taplab import ModelError, load_model, save_pretrained
from taplab.data.sequence import sequence
from taplab.data.stills import SyntheticStills
from taplab.errors import OutputError, SourceError, TaplabError
from taplab.models.pretrained import card_for
from taplab.models.zoo import build
from taplab.training import follow
from taplab.training.carried import Samples, carried_samples
from taplab.training.checkpoint import saved_step
from taplab.training.follow import FollowSettings, base_for, batch_at, train_follower
from taplab.training.stock import Stock

SETTINGS = FollowSettings(steps=4, batch=2, clips=2, each=3, warmup=1, checkpoint_every=2, amp=False)


@pytest.fixture(scope="module")
def stock():
    return Stock(SyntheticStills(range(1000, 1003), 96, 128))


@pytest.fixture(scope="module")
def base(stock, tmp_path_factory):
    torch.manual_seed(0)
    card = card_for("bl2", 0.125, stock.classes, stock.palette)
    return save_pretrained(build("bl2", 11, 0.125), card, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def samples(stock, base):
    return carried_samples(stock, load_model(base), range(2), 3, seed=0)


def test_samples_are_frames_with_what_was_carried_to_them(samples, stock, base):
    assert samples.frames.shape == (6, 96, 128, 3)
    height, width = samples.frames.shape[1:3]
    assert samples.labels.shape == (6, height, width)
    assert samples.carried.shape == samples.network.shape == (6, 11, -(-height // 4), -(-width // 4))
    assert samples.match.shape == samples.carried.shape[:1] + samples.carried.shape[2:]
    assert np.abs(samples.carried.sum(1, dtype=int) - 255).max() <= 11  # probabilities, rounded
    own = load_model(base)(samples.frames[:1]).softmax(1)[0]
    assert np.abs(own.numpy() * 255 - samples.network[0]).max() < 3
    assert set(np.unique(samples.labels)) <= {*range(11), 255}


def test_samples_are_a_function_of_seed_and_clip(samples, stock, base):
    second = carried_samples(stock, load_model(base), [1], 3, seed=0)
    assert np.array_equal(second.frames, samples.frames[3:])
    assert np.array_equal(second.carried, samples.carried[3:])


def test_samples_survive_a_file(samples, tmp_path):
    samples.save(tmp_path / "some.npz")
    again = Samples.load(tmp_path / "some.npz")
    assert all(np.array_equal(v, vars(again)[k]) for k, v in vars(samples).items())


def test_batches_are_a_function_of_the_step(samples):
    one, two, other = (
        batch_at(3, [samples], SETTINGS),
        batch_at(3, [samples], SETTINGS),
        batch_at(4, [samples], SETTINGS),
    )
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0], other[0])
    assert float(one[2].max()) <= 1


def test_trains_the_follower_and_leaves_the_network(stock, base, tmp_path):
    net = train_follower(tmp_path, base, stock, "stills", SETTINGS)
    model, plain = load_model(tmp_path), load_model(base)
    assert model.follow_cost == net.follow_cost
    picture = np.random.default_rng(0).integers(0, 255, (1, 96, 128, 3), np.uint8)
    assert torch.allclose(model(picture), plain(picture), atol=1e-3)
    glance = plain.net.state_dict()["stem.0.weight"]
    assert not torch.allclose(net.follower.glance.state_dict()["stem.0.weight"], glance, atol=1e-5)
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [2, 4]


def test_goes_on_as_if_never_stopped(stock, base, tmp_path, monkeypatch):
    whole = train_follower(tmp_path / "whole", base, stock, "stills", SETTINGS).state_dict()

    def stop(entry):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_follower(tmp_path / "parts", base, stock, "stills", SETTINGS, stop)
    made = []
    monkeypatch.setattr(follow, "carried_samples", lambda *args: made.append(args))
    resumed = train_follower(tmp_path / "parts", base, stock, "stills", SETTINGS).state_dict()
    assert made == []  # the samples were there
    assert all(torch.equal(v, whole[k]) for k, v in resumed.items())


def test_other_settings_are_refused(stock, base, tmp_path):
    train_follower(tmp_path, base, stock, "stills", replace(SETTINGS, steps=2))
    with pytest.raises(OutputError, match="made with other settings or data"):
        train_follower(tmp_path, base, stock, "stills", SETTINGS)


def test_samples_of_a_training_that_was_given_up_are_not_those_of_another(stock, base, tmp_path):
    def stop(entry):
        raise KeyboardInterrupt

    other = Stock(SyntheticStills(range(2000, 2003), 64, 96))
    with pytest.raises(KeyboardInterrupt):
        train_follower(tmp_path, base, stock, "stills", SETTINGS, stop)
    for changed in ({"steps": 2}, {"clips": 1, "steps": 2}):
        (tmp_path / "checkpoint.pt").unlink(missing_ok=True)
        train_follower(tmp_path, base, other, "others", replace(SETTINGS, **changed))
        samples = Samples.load(tmp_path / "samples" / "00000.npz")
        assert samples.frames.shape == (3 * changed.get("clips", 2), 64, 96, 3)


def test_samples_of_somebody_else_stay(stock, base, tmp_path):
    mine = tmp_path / "samples/00000.npz"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"00000\.npz: is there already, and not from a training"):
        train_follower(tmp_path, base, stock, "synthetic", SETTINGS)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("sizes", [((96, 128), (96, 128), (64, 96)), ((97, 128),)])
def test_images_of_one_even_size_are_asked_for_before_clips_are_made(base, tmp_path, write, sizes):
    for k, size in enumerate(sizes):
        write(tmp_path / "images" / f"{k}.png", size=size)
        write(tmp_path / "labels" / f"{k}.png", 1, size)
    stock = Stock(sequence(tmp_path / "images", tmp_path / "labels"))
    rows, columns = sizes[-1]
    with pytest.raises(SourceError, match=rf"{len(sizes) - 1}\.png: {rows}x{columns} pixels .*of one size, with even"):
        train_follower(tmp_path / "out", base, stock, "folder", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_only_a_bl2_gets_a_follower(stock, tmp_path):
    file = save_pretrained(build("bl1", 11, 0.125), card_for("bl1", 0.125, stock.classes, stock.palette), tmp_path)
    with pytest.raises(ModelError, match="give a BL2 with the classes of the data"):
        train_follower(tmp_path / "out", file, stock, "stills", SETTINGS)
    with pytest.raises(ModelError, match="nothing: no such model; give a BL2, bundled or"):
        base_for("nothing", stock.classes)


def test_an_interruption_is_saved_first(stock, base, tmp_path, monkeypatch):
    """To the bit: going on from there gives what an undisturbed training gives."""
    whole = train_follower(tmp_path / "whole", base, stock, "stills", SETTINGS).state_dict()
    told, learn = [], follow._Learner.learn

    def pressed(self, batch):
        if self.step == 0:
            signal.raise_signal(signal.SIGINT)
        return learn(self, batch)

    monkeypatch.setattr(follow._Learner, "learn", pressed)
    with pytest.raises(KeyboardInterrupt):
        train_follower(tmp_path / "parts", base, stock, "stills", SETTINGS, on_interrupt=lambda: told.append(1))
    assert told == [1]
    assert saved_step(tmp_path / "parts") == 1
    assert load_model(tmp_path / "parts").follow_cost
    monkeypatch.setattr(follow._Learner, "learn", learn)
    resumed = train_follower(tmp_path / "parts", base, stock, "stills", SETTINGS).state_dict()
    assert all(torch.equal(v, whole[k]) for k, v in resumed.items())


def test_a_loss_that_is_no_number_is_told(stock, base, tmp_path):
    settings = replace(SETTINGS, rate=1e30, glance_rate=1e30)
    with pytest.raises(TaplabError, match=r"the loss is .*; lower the learning rate"):
        train_follower(tmp_path, base, stock, "stills", settings)
