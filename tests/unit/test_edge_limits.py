"""Whose connections are counted together."""

import pytest

from shared.errors import ConfigurationError
from shared.http.edge_limits import EdgeLimits
from shared.settings import Settings


def limits(proxies: str) -> EdgeLimits:
    return EdgeLimits.of(Settings.model_validate({"trusted_proxies": proxies}))


def test_an_address_counts_for_itself_and_a_network_of_ipv6_as_one() -> None:
    anyone = limits("")
    assert anyone.counted_as("203.0.113.7") == anyone.counted_as("::ffff:203.0.113.7") == "203.0.113.7"
    assert anyone.counted_as("2001:db8::1") == anyone.counted_as("2001:db8::ffff:1")
    assert anyone.counted_as("2001:db8::1") != anyone.counted_as("2001:db8:0:1::1")
    assert anyone.counted_as("") is None


def test_a_proxy_is_not_counted() -> None:
    behind = limits("10.0.0.0/8, 2001:db8::/32,203.0.113.7")
    for proxy in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5", "203.0.113.7"):
        assert behind.counted_as(proxy) is None
    assert behind.counted_as("203.0.113.8") == "203.0.113.8"


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.1/8", "10.0.0.256"])
def test_what_is_no_address_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"UPTILL_TRUSTED_PROXIES: .*name addresses or networks"):
        limits(wrong)
