import pytest

from taplab import SettingError
from taplab.cli.eval_usage import check_for_modes, check_for_paper, check_without_paper


@pytest.mark.parametrize(
    ("option", "tables", "figures", "says"),
    [
        ("modes", [2], [], "--modes: tables and figures choose the modes themselves"),
        ("modules", [], [8], "--modules: "),
        ("interval", [6], [], "--interval: .* is --gop"),
        ("json_file", [5], [], "--json: "),
        ("gop", [6], [8], "--gop: --table 2,3,4,5,7,8 and --figure 1,5"),
        ("region", [4, 2], [], "--region: --table 5,6,7,8 and --figure 1,8"),
        ("alpha", [], [11], "--alpha: "),
        ("flow", [6], [8], "--flow: --table 3,5 and --figure 7 make use of it"),
        ("frame", [2, 3], [1, 8, 11], "--frame: --figure 5,6,7,9,10,12,13 make use of it"),
    ],
)
def test_what_means_nothing_to_tables_and_figures(option, tables, figures, says):
    with pytest.raises(SettingError, match=says):
        check_for_paper({option, "codec"}, tables, figures)


def test_what_means_something_to_one_of_them():
    check_for_paper({"region", "gop", "alpha", "flow", "models", "out", "rounds"}, [4, 5, 6], [])
    check_for_paper({"frame"}, [2], [1, 12])
    check_for_paper(set(), [4], [11])


@pytest.mark.parametrize("option", ["models", "flow", "frame", "out"])
def test_what_only_tables_and_figures_make_use_of(option):
    with pytest.raises(SettingError, match=f"--{option}: only --table and --figure"):
        check_without_paper({"modes", option})
    check_without_paper({"modes", "modules", "interval", "json_file"})


def test_motion_is_of_modes_that_follow_the_stream():
    with pytest.raises(SettingError, match="--motion: none of these modes follows the stream's motion"):
        check_for_modes({"motion"}, {"per-frame": (), "itp": ("ffw",), "flow:dis": ("ffw",)})
    check_for_modes({"motion"}, {"itp": ("ffw",), "paper": ("ffw",)})
