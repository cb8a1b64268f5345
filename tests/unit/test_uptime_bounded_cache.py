"""A cached value is the right one, and the cache never holds more than its limit."""

from shared.uptime.bounded_cache import BoundedCache


def test_values_are_never_mixed_up_and_all_room_is_used() -> None:
    cache = BoundedCache[int, str](100)
    for _ in range(20):
        for name in range(30):
            assert cache.get(name) in (None, str(name))
            cache.put(name, str(name), 10)
            assert cache.get(name) in (None, str(name))
        assert sum(cache.get(name) is not None for name in range(30)) == 10


def test_a_new_value_takes_the_place_of_the_old_one() -> None:
    cache = BoundedCache[str, int](100)
    for value in range(50):
        cache.put("a", value, 60)
        assert cache.get("a") == value
    cache.put("b", 1, 40)
    assert (cache.get("a"), cache.get("b")) == (49, 1)


def test_a_value_larger_than_the_cache_is_not_kept_and_evicts_nothing() -> None:
    cache = BoundedCache[str, int](100)
    cache.put("a", 1, 60)
    cache.put("b", 2, 101)
    assert (cache.get("a"), cache.get("b")) == (1, None)
