"""Passes side by side give what one batch gives, and leave torch's threads as they were."""

import threading
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from taplab import ModelError, TorchModel
from taplab.models.side_by_side import side_by_side
from taplab.models.zoo import BL2


class Watched(nn.Module):
    """Notes on which thread, with how many of torch's threads, each batch was worked on."""

    seen: ClassVar = []  # also of the copies that are folded

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 4, 3, stride=4)
        self.seen.clear()

    def forward(self, x):
        self.seen.append((threading.current_thread().name, torch.get_num_threads(), len(x)))
        return self.net(x)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def pictures(count):
    return np.random.default_rng(count).integers(0, 256, (count, 32, 48, 3), np.uint8)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("count", "alone"), [(1, 0), (2, 2), (3, 2), (5, 4)])
def test_as_many_as_there_are_threads_run_alone(count, alone):
    watched = Watched()
    TorchModel(watched, classes="abcd", fixed=True)(pictures(count))
    apart = [(threads, size) for name, threads, size in watched.seen if name.startswith("taplab-network")]
    assert apart == [(1, 1)] * alone
    assert sum(size for _, _, size in watched.seen) == count


@pytest.mark.usefixtures("two_threads")
def test_a_network_that_may_change_runs_on_the_thread_that_asks():
    watched = Watched()
    TorchModel(watched, classes="abcd")(pictures(4))
    assert watched.seen == [(threading.current_thread().name, 2, 4)]


@pytest.mark.usefixtures("two_threads")
def test_scores_are_those_of_a_batch():
    torch.manual_seed(0)
    net = BL2(5)
    plain, quick = (TorchModel(net, classes="abcde", fixed=fixed) for fixed in (False, True))
    assert torch.allclose(plain(pictures(3)), quick(pictures(3)), atol=1e-4)
    assert not quick(pictures(2)).requires_grad


@pytest.mark.usefixtures("two_threads")
def test_what_goes_wrong_is_told_as_ever():
    class Breaking(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError

    with pytest.raises(ModelError, match="ZeroDivisionError"):
        TorchModel(Breaking(), classes="ab", fixed=True)(pictures(2))


@pytest.mark.usefixtures("two_threads")
def test_other_threads_keep_all_of_torch_s():
    assert side_by_side(lambda k: torch.tensor([k, torch.get_num_threads()]), 3)[2].tolist() == [2, 1]
    found = []
    other = threading.Thread(target=lambda: found.append((torch.ones(3).sum(), torch.get_num_threads())[1]))
    other.start()
    other.join()
    assert found == [torch.get_num_threads()] == [2]
