import importlib
import sys

import pytest

from taplab import ModelError, PaperSettings
from taplab.evaluation import ways
from taplab.evaluation.ways import Way
from taplab.models import flow as flow_models
from taplab.policies import Dial

FLOW = """import numpy as np
def make(device):
    return lambda now, before: np.full((*now.shape[:2], 2), {}, np.float32)
"""


def anew(mode):
    """The key as another run has it."""
    ways._flow_source.cache_clear()
    for name in [name for name in sys.modules if name == "keyed_flow"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return Way(mode).key


def test_other_settings_have_another_key():
    assert Way("paper").key == Way("paper").key
    assert Way("paper").key != Way("itp").key
    assert Way("paper", PaperSettings(interval=3)).key != Way("paper", PaperSettings()).key
    assert Way("live", dial=Dial(quality=1)).key != Way("live").key
    assert Way("live", dial=Dial(quality=1)).key != Way("live", dial=Dial(budget=0.1)).key
    assert Way("live", dial=Dial(quality=1)).title == "live, quality 1"
    assert Way("per-frame", PaperSettings(interval=3)).key == Way("per-frame").key


def test_a_flow_of_ones_own_is_told_by_its_source(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "keyed_flow.py").write_text(FLOW.format(0))
    still = anew("flow:python:keyed_flow:make")
    assert anew("flow:python:keyed_flow:make") == still
    (tmp_path / "keyed_flow.py").write_text(FLOW.format(25))
    assert anew("flow:python:keyed_flow:make") != still
    with pytest.raises(ModelError, match="no_such_flow"):
        anew("flow:python:no_such_flow:make")


def test_a_flow_network_is_told_by_its_weights(tmp_path, monkeypatch):
    bundled = anew("flow:net")
    other = tmp_path / "flow.safetensors"
    other.write_bytes(b"other weights")
    monkeypatch.setattr(flow_models, "BUNDLED", other)
    assert anew("flow:net") != bundled
    assert anew("flow:dis") == anew("flow:dis")
