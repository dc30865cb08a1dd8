"""``taplab eval``: from the options of each command to the clips that are scored."""

import pytest
from typer.testing import CliRunner

from taplab.cli import evaluate
from taplab.cli.app import app


@pytest.fixture
def clips_of(monkeypatch):
    """``clips_of(*args)``: what a command would score."""
    taken = []
    monkeypatch.setattr(evaluate, "_run", lambda clips, options: taken.append(clips))

    def clips_of(*args):
        result = CliRunner().invoke(app, ["eval", *map(str, args)])
        assert result.exit_code == 0, result.stderr
        return taken.pop()

    return clips_of


def refused(*args, says, status):
    result = CliRunner().invoke(app, ["eval", *map(str, args)])
    assert result.exit_code == status, result.stderr
    (line,) = result.stderr.strip().splitlines()
    assert says in line


def test_camvid_by_single_images(clips_of, write, tmp_path):
    for number in (30, 90):
        write(tmp_path / "test" / f"0001TP_0{number:05}.png")
        write(tmp_path / "testannot" / f"0001TP_0{number:05}.png", 0)
    refused("camvid", "--root", tmp_path, says="score frames by themselves (--stills)", status=1)
    clips = clips_of("camvid", "--root", tmp_path, "--stills")
    assert [len(clip) for clip in clips.clips] == [1, 1]


def test_cityscapes_by_single_images(clips_of, write, tmp_path):
    for i in (19, 49):
        write(tmp_path / "leftImg8bit" / "val" / "ulm" / f"ulm_000000_{i:06}_leftImg8bit.png")
        write(tmp_path / "gtFine" / "val" / "ulm" / f"ulm_000000_{i:06}_gtFine_labelIds.png", 7)
    refused("cityscapes", "--root", tmp_path, says="score frames by themselves (--stills)", status=1)
    clips = clips_of("cityscapes", "--root", tmp_path, "--stills")
    assert [len(clip) for clip in clips.clips] == [1, 1]


def test_seeds(clips_of):
    clips = clips_of("synthetic", "--seeds", "4,5", "--size", "64x96", "--speeds", "slow,fast")
    assert [clip.name for clip in clips.clips] == [f"drive-64x96-{s}-{n}" for s in ("slow", "fast") for n in (4, 5)]
    refused("synthetic", "--seeds", "1,1", "--size", "64x96", says="seeds 1,1: give each once", status=2)
    refused("synthetic", "--speeds", "slow,slow", says="speeds slow,slow: give each once", status=2)
    refused("synthetic", "--seeds", "one", says="--seeds one", status=2)
