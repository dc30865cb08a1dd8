import pytest

from taplab.errors import SourceError
from taplab.words import one_line, without_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:se:cret@camera:554/1: no answer", "rtsp://me:***@camera:554/1: no answer"),
        ("rtsp://:secret@camera/a@b and http://you:other@there", "rtsp://:***@camera/a@b and http://you:***@there"),
        ("give rtsp://USER:PASSWORD@camera", "give rtsp://USER:PASSWORD@camera"),
        ("rtsp://me@camera:554/a:b@c", "rtsp://me@camera:554/a:b@c"),
        ("tcp://127.0.0.1:5000?listen=1", "tcp://127.0.0.1:5000?listen=1"),
        ("a file: b@c.mp4", "a file: b@c.mp4"),
    ],
)
def test_passwords_are_not_shown(text, shown):
    assert without_passwords(text) == shown
    assert one_line(SourceError(text)) == shown


def test_an_error_without_words_has_its_name():
    assert one_line(ValueError()) == "ValueError"
    assert one_line(ValueError("two\n  lines")) == "two lines"
