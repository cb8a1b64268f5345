"""What is remembered is right, and never more than there is room for."""

from shared.uptime.remembered import Remembered


def test_nothing_is_ever_mistaken_and_the_room_is_used() -> None:
    remembered = Remembered[int, str](100)
    for _ in range(20):
        for name in range(30):
            assert remembered.get(name) in (None, str(name))
            remembered.keep(name, str(name), 10)
            assert remembered.get(name) in (None, str(name))
        assert sum(remembered.get(name) is not None for name in range(30)) == 10


def test_a_new_value_takes_the_place_of_the_old_one() -> None:
    remembered = Remembered[str, int](100)
    for value in range(50):
        remembered.keep("a", value, 60)
        assert remembered.get("a") == value
    remembered.keep("b", 1, 40)
    assert (remembered.get("a"), remembered.get("b")) == (49, 1)


def test_what_is_larger_than_all_room_is_not_kept_and_drives_nothing_out() -> None:
    remembered = Remembered[str, int](100)
    remembered.keep("a", 1, 60)
    remembered.keep("b", 2, 101)
    assert (remembered.get("a"), remembered.get("b")) == (1, None)
