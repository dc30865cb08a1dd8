import pytest

from taplab.errors import OutputError
from taplab.files import whole, writable


def test_a_file_is_there_once_it_is_whole(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("before")
    with whole(path) as part:
        part.write_text("after")
        assert part.suffix == ".json"
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_an_error_what_was_there_stays(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("before")

    def fails():
        with whole(path) as part:
            part.write_text("half")
            raise error

    with pytest.raises(error):
        fails()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole(tmp_path / "a.json"):
        pass
    with pytest.raises(OSError, match="none"), whole(tmp_path / "none" / "a.json") as part:
        part.touch()


def test_what_the_system_refuses_is_told_with_its_reason(tmp_path):
    path = tmp_path / "none" / "a.json"
    with pytest.raises(OutputError) as told, writable(path, "give another -o"):
        path.touch()
    assert str(told.value) == f"{path}: cannot be written (No such file or directory); give another -o"
