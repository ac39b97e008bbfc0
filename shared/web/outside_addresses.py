"""What an address that a partner names may be: https, and nothing inside, however it is spelled."""

import ipaddress
import re
from typing import NamedTuple

import idna

from shared.values.rejected import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 2000
"""Characters."""

_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)((?:[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)"
)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:@%\\\s]+))(?::([0-9]{1,5}))?")
_PORTS = {"https": 443, "http": 80}
_LAST_LABEL = re.compile(r"[a-z]")
_INSIDE_NAMES = ("localhost", "localdomain", "local", "internal", "home.arpa")
_SANDBOX = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "168.63.129.16/32",  # the host of a machine at Azure, seen from within it
    )
)
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4, out of use by RFC 7526: any of it would lead to an IPv4 address by way of others
        "3fff::/20",
    )
)

_TOO_LONG = Invalid("outside_url.too_long", f"网址最多 {LONGEST} 个字符")
_FORM = Invalid("outside_url.form", "网址格式不正确，请填写完整的 https 网址，特殊字符须按百分号编码")
_SCHEME = Invalid("outside_url.scheme", "网址须以 https:// 开头")
_FRAGMENT = Invalid("outside_url.fragment", "网址中不得带“#”及其后内容，请删去")
_USER = Invalid("outside_url.user", "网址中不得带用户名或密码，请删去")
_HOST = Invalid("outside_url.host", "网址中的域名或 IP 地址不正确，请核对")
_PORT = Invalid("outside_url.port", "网址中的端口须在 1 至 65535 之间")
INSIDE = Invalid("outside_url.inside", "网址须指向公网，不得是本机、内网或保留地址，请改用公网域名")


class Target(NamedTuple):
    """Where a URL leads: `host` is the name in ASCII (RFC 5891), lower case, or the address; `rest` begins with `/`."""

    scheme: str
    host: str
    address: Address | None
    port: int
    rest: str

    @property
    def authority(self) -> str:
        """As it stands in `Host` (RFC 9110 section 7.2)."""
        return bracketed(self.host) + (f":{self.port}" if self.port != _PORTS[self.scheme] else "")


def wrong_with(url: str, *, loopback: bool = False) -> Invalid | None:
    """Why a partner's URL may not be posted to, as far as it can be told without asking for its name.

    `loopback` (the local sandbox) allows http to 127.0.0.1 and ::1 besides.
    """
    found = target(url, loopback=loopback)
    return found if isinstance(found, Invalid) else None


def target(url: str, *, loopback: bool = False) -> Target | Invalid:
    """The URL taken apart, by the one grammar that it is also posted by, or what is wrong with it."""
    if len(url) > LONGEST:
        return _TOO_LONG
    if "#" in url:
        return _FRAGMENT
    parts = _URL.fullmatch(url)
    if parts is None:
        return _FORM
    scheme, authority, rest = parts[1].lower(), parts[2], parts[3]
    if scheme not in ("https", "http"):
        return _SCHEME
    if "@" in authority:
        return _USER
    split = _AUTHORITY.fullmatch(authority)
    if split is None:
        return _HOST
    port = int(split[3] or _PORTS[scheme])
    if not 1 <= port <= 65535:
        return _PORT
    named = _host(split[1], split[2])
    if isinstance(named, Invalid):
        return named
    host, address = named
    if scheme == "http":
        if not loopback or address not in _SANDBOX:
            return _SCHEME
    elif _inside(host, address):
        return INSIDE
    return Target(scheme, host, address, port, rest if rest.startswith("/") else "/" + rest)


def public(address: Address) -> bool:
    """Whether an address is one of the public internet: unicast, globally routable, and wrapping no other one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in block for block in _NOT_PUBLIC_4)
    if address.scope_id is not None:
        return False
    if address in _MAPPED or address in _NAT64:
        return public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST and address.is_global and not any(address in block for block in _NOT_PUBLIC_6)


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _host(literal: str | None, name: str | None) -> tuple[str, Address | None] | Invalid:
    try:
        if literal is not None:
            address: Address = ipaddress.IPv6Address(literal)
            return str(address), address
        ascii_name = _ascii(name or "")
    except ValueError:
        return _HOST
    last = ascii_name.rpartition(".")[2]
    if _LAST_LABEL.match(last):
        return ascii_name, None
    try:  # no top-level domain begins with a digit: getaddrinfo reads what does as an IPv4 address, hex and octal too
        address = ipaddress.IPv4Address(ascii_name)
    except ValueError:
        return INSIDE
    return str(address), address


def _ascii(name: str) -> str:
    """Raises `UnicodeError`, which `idna.IDNAError` is."""
    if name.endswith("."):
        raise UnicodeError("the root is not written out")
    return idna.encode(name.lower()).decode("ascii")


def _inside(host: str, address: Address | None) -> bool:
    if address is not None:
        return not public(address)
    return "." not in host or any(host == name or host.endswith(f".{name}") for name in _INSIDE_NAMES)
