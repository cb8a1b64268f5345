"""The address filter against the registries of special-purpose addresses, written out as a slow and obvious list."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.webhooks.address import check_url, is_public

# https://www.iana.org/assignments/iana-ipv4-special-registry and multicast (RFC 5771), class E (RFC 1112)
REFUSED_V4 = [
    ipaddress.IPv4Network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ]
]
# https://www.iana.org/assignments/iana-ipv6-special-registry; 2000::/3 is all of the rest that is in use
REFUSED_V6 = [
    ipaddress.IPv6Network(text) for text in ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]
]
ANY_V4 = st.ip_addresses(v=4).map(ipaddress.IPv4Address)


def inside(networks: list[ipaddress.IPv4Network]) -> st.SearchStrategy[ipaddress.IPv4Address]:
    return st.sampled_from(networks).flatmap(
        lambda network: st.integers(int(network[0]), int(network[-1])).map(ipaddress.IPv4Address)
    )


def refused_v4(ip: ipaddress.IPv4Address) -> bool:
    return any(ip in network for network in REFUSED_V4)


@given(inside(REFUSED_V4))
@example(ipaddress.IPv4Address("169.254.169.254"))  # the metadata of a cloud's machine
def test_nothing_special_is_public_in_any_disguise(ip: ipaddress.IPv4Address) -> None:
    assert not is_public(str(ip))
    for prefix in ("::ffff:", "64:ff9b::", "::", "2002:"):
        text = f"2002:{int(ip) >> 16:x}:{int(ip) & 0xFFFF:x}::1" if prefix == "2002:" else f"{prefix}{ip}"
        assert not is_public(text), text


@given(ANY_V4)
def test_an_ipv4_address_is_public_unless_a_registry_says_otherwise(ip: ipaddress.IPv4Address) -> None:
    if refused_v4(ip):
        return
    assert is_public(str(ip))
    assert is_public(f"::ffff:{ip}")
    assert is_public(f"64:ff9b::{ip}")


@given(st.integers(0, 2**128 - 1))
def test_an_ipv6_address_is_public_in_the_global_range_only(number: int) -> None:
    ip = ipaddress.IPv6Address(number)
    if is_public(str(ip)):
        assert number >> 125 == 1 or ip.ipv4_mapped or ip in ipaddress.IPv6Network("64:ff9b::/96")
        assert not any(ip in network for network in REFUSED_V6)


@given(st.sampled_from(REFUSED_V6), st.integers(0, 2**96 - 1))
def test_special_ipv6_networks_are_refused(network: ipaddress.IPv6Network, offset: int) -> None:
    ip = ipaddress.IPv6Address(int(network[0]) + offset % network.num_addresses)
    assert not is_public(str(ip))


@pytest.mark.parametrize("address", ["::1", "::", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "100::1"])
def test_local_ipv6_addresses_are_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://example.com",
        "https://",
        "https:///hook",
        "example.com",
        "https://user:password@example.com/",
        "https://example.com/#part",
        "https://example.com:25/",
        "https://example.com:99999/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://exämple.com/",
        "https://example.com/\nHost: other",
        "https://example.com/a b",
        "https://example.com\\@127.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[nonsense]/",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_what_nothing_would_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_url(url, allow_private=False)


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com:8443/a?b=c", "https://8.8.8.8/"])
def test_ordinary_urls_are_taken(url: str) -> None:
    assert check_url(url, allow_private=False) == url


@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            check_url(url, allow_private=False)
        except InvalidRequest:
            continue
