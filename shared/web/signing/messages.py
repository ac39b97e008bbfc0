"""Requests and responses as RFC 9421 sees them, and the signature base (section 2.5) over parts of them.

The profile is closed: whole fields, the derived components below, and of a request what its response binds
(`;req`, `;req;key=…`). Everything else is refused, so no rarely tried rule decides what a signature covers.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import http_sf

from shared.web.signing.refusals import Refused

Parameters = dict[str, Any]
Component = tuple[str, Parameters]
"""A component's name, and its parameters: `("signature", {"req": True, "key": "sig1"})`."""

_NAME = re.compile(r"@?[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Request(NamedTuple):
    """A request: `path` and `query` as they were sent, percent-encoded; `headers` by lower-case name, joined."""

    method: str
    scheme: str
    authority: str
    path: str
    query: str
    headers: Mapping[str, str]

    def value(self, component: Component) -> str:
        """The component's value (RFC 9421 sections 2.1 and 2.2). Raises `Refused`."""
        name, parameters = component
        if parameters:
            raise Refused("signature_invalid")
        derive = _DERIVED.get(name)
        if derive is not None:
            return derive(self)
        return _field(self.headers, name)


class Response(NamedTuple):
    """A response, with the request that it answers."""

    status: int
    headers: Mapping[str, str]
    request: Request

    def value(self, component: Component) -> str:
        """The component's value; of the request only whole components and members of its `Signature`."""
        name, parameters = component
        if parameters.get("req") is True:
            rest = {key: value for key, value in parameters.items() if key != "req"}
            if name == "signature" and set(rest) == {"key"}:
                return _signature_of(self.request, rest["key"])
            return self.request.value((name, rest))
        if parameters:
            raise Refused("signature_invalid")
        return str(self.status) if name == "@status" else _field(self.headers, name)


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Field lines by lower-case name; several of one name are joined in their order (RFC 9421 section 2.1)."""
    fields: dict[str, str] = {}
    for name, value in headers:
        key, text = name.lower(), value.strip(" \t")
        fields[key] = f"{fields[key]}, {text}" if key in fields else text
    return fields


def signature_base(message: Request | Response, components: Sequence[Component], parameters: Parameters) -> bytes:
    """What is signed: one line per component, and the parameters in the last. Raises `Refused`."""
    lines = []
    seen = set()
    for component in components:
        identifier = _identifier(component)
        if identifier in seen:
            raise Refused("signature_invalid")
        seen.add(identifier)
        value = message.value(component)
        if not _VALUE.fullmatch(value):
            raise Refused("signature_invalid")
        lines.append(f"{identifier}: {value}")
    lines.append(f'"@signature-params": {signature_parameters(components, parameters)}')
    return "\n".join(lines).encode("ascii")


def signature_parameters(components: Sequence[Component], parameters: Parameters) -> str:
    """The value of `Signature-Input` for one signature: components and parameters, serialised (RFC 9651)."""
    written = " ".join(map(_identifier, components))
    return f"({written})" + "".join(f";{name}={_bare(value)}" for name, value in parameters.items())


def _identifier(component: Component) -> str:
    name, parameters = component
    if not _NAME.fullmatch(name):
        raise Refused("signature_invalid")
    if not parameters:
        return f'"{name}"'
    return f'"{name}"' + "".join(
        f";{key}" if value is True else f";{key}={_bare(value)}"
        for key, value in sorted(parameters.items(), reverse=True)
    )


def _bare(value: Any) -> str:
    """A bare item: an integer or a string of printable ASCII. Others have no place in our signatures."""
    if type(value) is int:
        return str(value)
    if type(value) is str and value.isascii() and value.isprintable():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    raise Refused("signature_invalid")


def _field(headers: Mapping[str, str], name: str) -> str:
    if name.startswith("@") or name not in headers:
        raise Refused("signature_invalid")
    return headers[name]


def _signature_of(request: Request, label: str) -> str:
    member = parsed_dictionary(request.headers.get("signature", "")).get(label)
    if not isinstance(member, tuple) or not isinstance(member[0], bytes) or member[1]:
        raise Refused("signature_invalid")
    return f":{b64encode(member[0]).decode()}:"


def parsed_dictionary(field: str) -> dict[str, Any]:
    """A Dictionary field (RFC 9651), without members of the same key twice. Raises `Refused`."""
    try:
        return cast(
            dict[str, Any],
            http_sf.parse(field.encode("ascii"), tltype="dictionary", on_duplicate_key=_refuse_twice),
        )
    except (ValueError, TypeError):  # a StructuredFieldError is a ValueError
        raise Refused("signature_invalid") from None


def _refuse_twice(key: str, context: str) -> None:
    if context == "dictionary":
        raise ValueError(key)


def _authority(request: Request) -> str:
    return request.authority.lower().removesuffix(_DEFAULT_PORTS.get(request.scheme, "\n"))


def _target_uri(request: Request) -> str:
    query = f"?{request.query}" if request.query else ""
    return f"{request.scheme}://{request.authority}{request.path}{query}"


_DERIVED: dict[str, Callable[[Request], str]] = {
    "@method": lambda request: request.method,
    "@target-uri": _target_uri,
    "@authority": _authority,
    "@scheme": lambda request: request.scheme,
    "@path": lambda request: request.path,
    "@query": lambda request: f"?{request.query}",
}
