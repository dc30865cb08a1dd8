import pytest

from taplab.evaluation.points import Plan
from taplab.evaluation.published import GPU_FACTORS, PAPER, SYSTEMS
from taplab.evaluation.tables import TABLES


def test_every_value_of_the_paper_stands_in_its_table():
    tables = [make(Plan((1024, 2048))) for make in TABLES.values()]
    for table in tables:
        shown = sorted(repr(row.paper) for row in table.rows if row.paper.miou is not None)
        assert shown == sorted(repr(value) for (number, _), value in PAPER.items() if number == table.number)


def test_speeds_of_table_5_follow_from_network_and_warp_alone():
    """Eq. 2: each frame costs the warp, and one in twelve the network."""
    per_frame, ffw = PAPER[2, "bl2"].fps, PAPER[5, "bl2 ffw"].fps
    milliseconds = 1000 / per_frame / 12 + PAPER[3, "ffw"].milliseconds * 11 / 12
    assert 1000 / milliseconds == pytest.approx(ffw, rel=0.02)


def test_speeds_are_normalised_to_one_card():
    speeds = {system.name: system.normalised_fps for system in SYSTEMS}
    assert speeds["ICNet"] == pytest.approx(49.7, abs=0.05)  # as the SwiftNet paper has it
    assert speeds["SwiftNetRN-18"] == 39.9
    assert speeds["Accel-18"] is None
    assert {system.gpu for system in SYSTEMS} - set(GPU_FACTORS) == {"Tesla K80"}
