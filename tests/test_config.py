"""Settings in a TOML file: what is read, what is refused, and what a calibration changes."""

import tomllib

import pytest

from taplab.config import Config, digest, paper_settings, read_config
from taplab.errors import OutputError, SettingError
from taplab.policies import PaperSettings, Relations
from taplab.settings_file import write_setting, write_threshold


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "taplab.toml"
        path.write_text(text)
        return path

    return write


def test_a_byte_order_mark_is_passed_over(write):
    path = write("\ufeffinterval = 6\n")
    assert read_config(path).interval == 6
    write_threshold(path, 3.5, [])
    assert read_config(path).interval == 6
    assert "thr_rgfs = 3.5" in path.read_text()


def test_every_key(write):
    config = read_config(
        write(
            'mode = "paper"\nmodel = "bl2-synthetic"\nmodules = ["ffw", "rgc"]\ninterval = 6\nalpha = 1\nthr_rgc = 20\n'
            'thr_rgfs = "3.6e7sum"\nregion = "256x512"\nstride = "128x64"\n'
        )
    )
    assert (config.mode, config.model) == ("paper", "bl2-synthetic")
    assert config.settings() == PaperSettings(
        modules=("ffw", "rgc"),
        interval=6,
        alpha=1,
        thr_rgc=20,
        thr_rgfs=3.6e7,
        thr_rgfs_unit="sum",
        region=(256, 512),
        stride=(128, 64),
    )


def test_relations(write):
    relations = read_config(write("disagreement_live = 4\n")).relations()
    assert relations.live.disagreement == 4
    assert (relations.offline, relations.live.free) == (Relations().offline, Relations().live.free)
    assert read_config(write("")).relations() == Relations()


@pytest.mark.parametrize(
    ("text", "asked"),
    [("quality = 1.5", {"quality": 1.5}), ("max_loss = 2", {"quality": 2}), ("target_fps = 25", {"target_fps": 25})],
)
def test_what_is_asked_for(write, text, asked):
    assert read_config(write(text)).asked() == asked
    assert "quality" not in read_config(write(text)).defaults()  # which is the encoder's, of other commands


def test_what_was_measured_with_another_network_is_not_used(write, tmp_path):
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"first")
    config = read_config(write(f'disagreement_live = 4\ndisagreement_model = "{weights} {digest(weights)}"\n'))
    assert config.relations(weights).live.disagreement == config.relations().live.disagreement == 4
    assert config.note(weights) is None
    assert "measured with" in config.note("bl2-camvid")
    assert "--agreement --model bl2-camvid" in config.note("bl2-camvid")
    assert config.relations("bl2-camvid") == Relations()
    weights.write_bytes(b"second")
    assert "other weights of" in config.note(weights)
    assert config.relations(weights) == Relations()
    by_hand = read_config(write('disagreement_live = 4\ndisagreement_model = "bl2-camvid"\n'))
    assert by_hand.note("bl2-camvid") is None
    assert "with bl2-camvid, not with bl1-camvid" in by_hand.note("bl1-camvid")


def test_the_same_network_by_another_name(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "other.safetensors").write_bytes(b"weights")
    (tmp_path / "net.onnx").write_bytes(b"graph")
    assert digest(tmp_path / "run") == digest(tmp_path / "other.safetensors")
    assert digest(f"onnx:{tmp_path / 'net.onnx'}") == digest(tmp_path / "net.onnx") != digest(tmp_path / "run")
    assert digest("bl2-camvid") != digest("bl2-synthetic") != digest("python:mine:make") != digest("python:mine:other")


def test_calibrated_settings_of_all_kinds_in_one_file(tmp_path):
    path = tmp_path / "new.toml"
    write_threshold(path, 4.25, ["first"])
    for value in (2.5, 2.75):
        write_setting(path, "disagreement_live", value, [f"found {value}"])
        write_setting(path, "disagreement_offline", 2 * value, ["too"])
    assert read_config(path) == Config(thr_rgfs="4.25", disagreement_live=2.75, disagreement_offline=5.5)
    assert [line for line in path.read_text().splitlines() if "found" in line] == ["# found 2.75"]


def test_what_the_file_leaves_out_stays_as_it_is(write):
    assert read_config(write("")) == Config()
    assert read_config(write("# nothing\n")).settings() == PaperSettings()
    assert read_config(write("thr_rgfs = 7\n")).settings() == PaperSettings(("ffw", "rgfs"), thr_rgfs=7.0)
    assert paper_settings() == PaperSettings()


def test_overrides_win(write):
    config = read_config(write('interval = 6\nmodules = "ffw"\n'))
    assert config.settings(interval=3, thr_rgfs="9", alpha=None) == PaperSettings(("ffw",), 3, thr_rgfs=9)
    assert config.defaults() == {"interval": 6, "modules": "ffw"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("thr_rgf = 5", "unknown setting 'thr_rgf'; choose from mode, model"),
        ("[taplab]\ninterval = 5", "unknown setting 'taplab'"),
        ("interval = 5.5", "interval = 5.5: write a whole number of frames"),
        ("interval = true", "interval = True: write a whole number"),
        ("interval = 0", "interval 0: must be a whole number, at least 1"),
        ("alpha = '0.5'", "alpha = '0.5': write a number from 0 to 1"),
        ("alpha = 2", "alpha 2: must lie in 0..1"),
        ("thr_rgc = 300", "thr_rgc = 300: write a whole number of grey levels, 0 to 254"),
        ("thr_rgfs = nan", "thr_rgfs nan: must be a number"),
        ("thr_rgfs = -3", "thr_rgfs -3: must be at least 0"),
        ("thr_rgfs = '-1sum'", "thr_rgfs -1sum: must be at least 0"),
        ("thr_rgfs = 'much'", "thr_rgfs much: write a number such as 5.7, or 3.6e7sum"),
        ("thr_rgfs = [5.7]", "thr_rgfs = [5.7]: write grey levels per pixel"),
        ("modules = ['ffw', 3]", "modules = ['ffw', 3]: write names"),
        ("modules = 'rgc'", "build on ffw"),
        ("mode = 'fast'", "mode 'fast': choose one of"),
        ("mode = 3", "mode = 3: write a mode"),
        ("region = '512'", "region 512: write rows x columns"),
        ("stride = '-16x16'", "stride -16x16: write rows x columns"),
        ("region = '500x512'", "multiples of 16"),
        ("disagreement_live = 0", "disagreement 0: must be a number above 0"),
        ("disagreement_live = 'much'", "disagreement_live = 'much': write per cent of pixels"),
        ("quality = 200", "quality 200: must lie in 0..100"),
        ("budget = 0.1\ntarget_fps = 25", "budget and target_fps: give only one"),
        ("quality = 1\nmax_loss = 1", "quality and max_loss are the same setting"),
        ("budget = '0.1'", "budget = '0.1': write a network cost"),
        ("interval = ", "is no TOML file of settings"),
    ],
)
def test_refused(write, text, says):
    path = write(text)
    with pytest.raises(SettingError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)


def test_unreadable(tmp_path):
    with pytest.raises(SettingError, match=r"none\.toml: cannot be read as settings"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(SettingError, match="cannot be read as settings"):
        read_config(tmp_path)
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff\x00")
    with pytest.raises(SettingError, match="picture: is no TOML file"):
        read_config(tmp_path / "picture")


def test_a_threshold_in_a_new_file(tmp_path):
    path = tmp_path / "new.toml"
    write_threshold(path, 4.25, ["from a.mp4", "by hand"])
    assert read_config(path) == Config(thr_rgfs="4.25")
    first, *rest = path.read_text().splitlines()
    assert first.startswith("# THR_RGFS")
    assert rest == ["# from a.mp4", "# by hand", "thr_rgfs = 4.25"]


def test_a_threshold_is_replaced_and_the_rest_kept(write):
    path = write('# mine\nmode = "paper"  # slow\n')
    write_threshold(path, 4.25, ["first"])
    path.write_text(path.read_text() + "interval = 6\n\n# end\n")
    write_threshold(path, 1e-05, ["second"])
    text = path.read_text()
    assert text.startswith('# mine\nmode = "paper"  # slow\n')
    assert text.endswith("# second\nthr_rgfs = 1e-05\ninterval = 6\n\n# end\n")
    assert "first" not in text
    assert tomllib.loads(text) == {"mode": "paper", "thr_rgfs": 1e-05, "interval": 6}


@pytest.mark.parametrize(
    "text", ["# mine\nthr_rgfs=5.7 # as published", "  thr_rgfs = 5.7\n# mine\n", '# mine\n\n"a" = 1']
)
def test_a_threshold_of_another_hand(write, text):
    path = write(text)
    if "thr_rgfs" not in text:
        with pytest.raises(SettingError, match="unknown setting 'a'"):
            write_threshold(path, 4.25, [])
        assert path.read_text() == text
        return
    write_threshold(path, 4.25, [])
    assert read_config(path).thr_rgfs == "4.25"
    assert "# mine\n" in path.read_text()


def test_what_cannot_be_changed_safely_is_left_alone(write):
    path = write('"thr_rgfs" = 5.7\n')
    with pytest.raises(SettingError, match="on a line of its own"):
        write_threshold(path, 4.25, [])
    assert path.read_text() == '"thr_rgfs" = 5.7\n'


def test_a_link_stays_a_link(write, tmp_path):
    path, link = write("interval = 6\n"), tmp_path / "link.toml"
    link.symlink_to(path)
    write_threshold(link, 4.25, [])
    assert link.is_symlink()
    assert read_config(path) == Config(interval=6, thr_rgfs="4.25")
    assert sorted(tmp_path.iterdir()) == [link, path]


def test_not_writable(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_threshold(tmp_path / "none" / "taplab.toml", 4.25, [])
