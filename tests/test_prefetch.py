import pytest

from taplab.prefetch import prefetch


class Failing:
    """Two items, and an error at the end."""

    def __init__(self):
        self._items = iter((1, 2))

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._items)

    def close(self):
        raise OSError("it cannot be closed")


def test_an_error_on_closing_is_raised_after_the_last_item():
    items = prefetch(Failing(), ahead=2)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="cannot be closed"):
        next(items)
