"""What a partner may name: https to the public internet, and no spelling of anything else."""

import ipaddress
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.outside import retry_after
from shared.web.outside_addresses import Address, Target, public, target, wrong_with

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
INSIDE_4 = ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0")

four = st.one_of(st.ip_addresses(v=4), st.sampled_from(INSIDE_4).map(ipaddress.IPv4Address))


def code(url: str, *, loopback: bool = False) -> str | None:
    found = wrong_with(url, loopback=loopback)
    return None if found is None else found.code.removeprefix("outside_url.")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/a/b?c=d&e=%E6%B2%AA",
        "https://hooks.example.com?c=d",
        "HTTPS://Hooks.Example.COM:8443/",
        "https://hooks.example.com:65535/",
        "https://创业.中国/%E5%9B%9E",
        "https://xn--fiqs8s.xn--fiqs8s/",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:8443/",
        "https://[64:ff9b::1.1.1.1]/",
        "https://localhost.example.com/",
        "https://internal-hooks.example.com/",
        "https://10.0.0.1.example.com/",
    ],
)
def test_what_is_outside_is_allowed(url: str) -> None:
    assert code(url) is None
    assert code(url, loopback=True) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://hooks.example.com/", "scheme"),
        ("http://127.0.0.1/", "scheme"),
        ("ftp://hooks.example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("hooks.example.com", "form"),
        ("", "form"),
        ("https:/hooks.example.com/", "form"),
        ("https://hooks.example.com/a b", "form"),
        ("https://hooks.example.com/a\r\nHost: x", "form"),
        ("https://hooks.example.com/\n", "form"),
        (" https://hooks.example.com/", "form"),
        ("https://hooks.example.com/\\", "form"),
        ("https://hooks.example.com/回调", "form"),
        ("https://hooks.example.com/%zz", "form"),
        ("https://hooks.example.com/#a", "fragment"),
        ("https://hooks.example.com#", "fragment"),
        ("https://user:password@hooks.example.com/", "user"),
        ("https://@hooks.example.com/", "user"),
        ("https://hooks.example.com@127.0.0.1/", "user"),
        ("https://hooks.example.com:0/", "port"),
        ("https://hooks.example.com:65536/", "port"),
        ("https://hooks.example.com:/", "host"),
        ("https://hooks.example.com:443:443/", "host"),
        ("https://hooks.example.com:٤٤٣/", "host"),
        ("https:///a", "host"),
        ("https://hooks.example.com./", "host"),
        ("https://hooks..example.com/", "host"),
        ("https://-hooks.example.com/", "host"),
        ("https://hooks_1.example.com/", "host"),
        ("https://xn--a.example.com/", "host"),
        ("https://" + "a" * 64 + ".example.com/", "host"),
        ("https://" + "a." * 130 + "com/", "host"),
        ("https://hooks.example.com\\@127.0.0.1/", "user"),
        ("https://127.0.0.1\\.example.com/", "host"),
        ("https://%31%32%37.0.0.1/", "host"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://[fe80::1%eth0]/", "host"),
        ("https://[::1/", "host"),
        ("https://[v1.a]/", "host"),
        ("https://[1.1.1.1]/", "host"),
        ("https://hooks.example.com/" + "a" * 1975, "too_long"),
    ],
)
def test_what_is_no_such_url_is_refused_with_the_reason(url: str, expected: str) -> None:
    assert code(url) == expected
    assert code(url, loopback=True) in (None, code(url))


@pytest.mark.parametrize(
    "host",
    [
        *INSIDE_4,
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "metadata.google.internal",
        "printer.local",
        "router.home.arpa",
        "localhost.localdomain",
        "intranet",
        "com",
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "1.1.1.256",
        "1.1.1",
        "1.1.1.1.1",
        "example.0x7f",
        "0",
        "127。0。0。1",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::1.1.1.1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2001:0:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
        "[2001:db8::1]",
        "[2001:2::1]",
        "[2001:20::1]",
        "[3fff::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[100::1]",
        "[5f00::1]",
    ],
)
def test_what_is_inside_is_refused_however_it_is_spelled(host: str) -> None:
    assert code(f"https://{host}/") == "inside"
    assert code(f"https://{host}:8443/a", loopback=True) == "inside"


@pytest.mark.parametrize("host", ["１２７.0.0.1", "①.0.0.1", "ⓛocalhost", "localhost\u200b", "ｌocalhost"])
def test_characters_that_stand_for_others_are_no_host(host: str) -> None:
    assert code(f"https://{host}/") == "host"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/a", "http://[::1]/", "http://[0:0::1]:9000/"])
def test_the_sandbox_may_be_posted_to_on_its_own_machine_and_only_there(url: str) -> None:
    assert code(url) == "scheme"
    assert code(url, loopback=True) is None
    assert code(url.replace("http:", "https:"), loopback=True) == "inside"


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "127.1", "localhost", "[::ffff:127.0.0.1]", "10.0.0.1", "1.1.1.1", "hooks.example.com", "0"]
)
def test_the_sandbox_allows_no_other_http(host: str) -> None:
    assert code(f"http://{host}/", loopback=True) in ("scheme", "inside")


@given(st.one_of(four, st.ip_addresses(v=6)))
def test_no_literal_is_accepted_that_is_not_global(address: Address) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    if wrong_with(f"https://{host}/") is None:
        assert address.is_global
        assert not address.is_multicast


@given(four, st.sampled_from(["::ffff:0:0", "::", "64:ff9b::", "64:ff9b:1::"]))
def test_an_address_that_wraps_one_is_no_more_public_than_it(wrapped: ipaddress.IPv4Address, prefix: str) -> None:
    wrapping = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(wrapped))
    assert public(wrapped) or not public(wrapping)


@given(four, st.integers(0, 2**80 - 1))
def test_no_tunnel_is_public(wrapped: ipaddress.IPv4Address, rest: int) -> None:
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | (int(wrapped) << 80) | rest)
    teredo = ipaddress.IPv6Address((0x20010000 << 96) | (rest << 16) | (int(wrapped) ^ 0xFFFFFFFF) & 0xFFFF)
    assert not public(six_to_four)
    assert not public(teredo)


@given(
    st.one_of(
        st.text("0123456789abcdefx.", max_size=24),
        st.tuples(four, st.sampled_from(["{:d}", "{:#x}", "0{:o}"])).map(lambda drawn: drawn[1].format(int(drawn[0]))),
        st.tuples(four, st.lists(st.sampled_from(["{:d}", "{:#x}", "0{:o}", "00{:o}"]), min_size=4, max_size=4)).map(
            lambda drawn: ".".join(form.format(part) for form, part in zip(drawn[1], drawn[0].packed, strict=True))
        ),
    )
)
def test_whatever_the_resolver_takes_for_an_address_is_a_public_one(host: str) -> None:
    """`inet_aton` reads what getaddrinfo does: fewer parts, octal, hex."""
    try:
        address = ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return
    assert wrong_with(f"https://{host}/") is not None or (public(address) and address.is_global)


@given(
    st.text(max_size=40), st.sampled_from(["https://{}/", "https://{}", "{}", "https://a.example/{}", "https://[{}]/"])
)
def test_httpx_reads_no_other_host_out_of_what_is_accepted(text: str, form: str) -> None:
    found = target(form.format(text))
    if isinstance(found, Target):
        url = httpx.URL(form.format(text))
        assert (url.scheme, url.raw_host.decode(), url.port or 443) == (found.scheme, found.host, found.port)
        assert not url.userinfo


@pytest.mark.parametrize("zone", ["1", "eth0"])
def test_an_address_of_a_zone_is_never_public(zone: str) -> None:
    address = ipaddress.IPv6Address("2606:4700:4700::1111")
    assert public(address)
    assert not public(ipaddress.IPv6Address(f"{address}%{zone}"))


def test_a_url_is_taken_apart() -> None:
    found = target("https://Hooks.Example.com:8443?a=b")
    assert found == Target("https", "hooks.example.com", None, 8443, "/?a=b")
    assert isinstance(found, Target)
    assert found.authority == "hooks.example.com:8443"
    literal = target("https://[2606:4700:4700:0::1111]:443")
    assert isinstance(literal, Target)
    assert literal.authority == "[2606:4700:4700::1111]"


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("86401", 86400.0),
        ("9" * 5000, 86400.0),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        ("soon", None),
        ("120, 240", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW + timedelta(days=3), usegmt=True), 86400.0),
        (format_datetime(NOW - timedelta(days=3), usegmt=True), 0.0),
        ("Sunday, 22-Nov-26 08:00:30 GMT", 30.0),
        ("Sun Nov 22 08:00:30 2026", 30.0),
        ("Sun, 22 Nov 2026 08:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2026 08:00:30 +99999999999999", None),
        ("Sun, 99 Nov 2026 08:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(field: str | None, seconds: float | None) -> None:
    assert retry_after(field, NOW) == seconds
