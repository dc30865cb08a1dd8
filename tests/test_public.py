"""What ``import taplab`` offers, when it runs and to type checkers."""

import ast
import importlib
from pathlib import Path

import pytest

import taplab


def test_type_checkers_see_the_same_names_from_the_same_modules():
    body = ast.parse(Path(taplab.__file__).read_text()).body
    block = next(node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {alias.asname: node.module for node in block.body for alias in node.names}
    assert seen == taplab._WHERE


@pytest.mark.parametrize("name", taplab.__all__)
def test_every_name_is_there(name):
    found = getattr(taplab, name)
    if name in taplab._WHERE:
        assert found is getattr(importlib.import_module(taplab._WHERE[name]), name)


def test_no_other_is():
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        _ = taplab.Segmentor
