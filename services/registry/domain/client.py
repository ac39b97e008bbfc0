"""Client: a partner's system, let in by two persons, and the keys that it signs with.   (RFC 7521, RFC 7523)"""

from typing import Literal

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, FieldError, LimitChange, Rejection, Row, Take

Status = Literal["requested", "approved", "suspended"]
KeyUse = Literal["token", "signature"]
KeyAlgorithm = Literal["Ed25519", "ES256", "SM2"]
TOKEN_ALGORITHMS: tuple[KeyAlgorithm, ...] = ("Ed25519", "ES256")
MOST_KEYS = 100

# -- events: what happened; the names are the storage format -------------------------------------------------------


class ClientRequested(Event, frozen=True, tag="registry.ClientRequested.v1"):
    """A person asked for a system to be let in; `client` is the client_id that its tokens name."""

    client: str
    name: str
    scopes: tuple[str, ...]
    requested_by: str


class ClientKeySubmitted(Event, frozen=True, tag="registry.ClientKeySubmitted.v1"):
    """A public key (RFC 7517) was handed in; it does not work before another person has approved it."""

    client: str
    kid: str
    use: KeyUse
    algorithm: KeyAlgorithm
    public_key: dict[str, str]
    submitted_by: str


class ClientKeyApproved(Event, frozen=True, tag="registry.ClientKeyApproved.v1"):
    """The key works from now on. It is carried again, so that a listener needs this event only."""

    client: str
    kid: str
    use: KeyUse
    algorithm: KeyAlgorithm
    public_key: dict[str, str]
    approved_by: str


class ClientKeyRevoked(Event, frozen=True, tag="registry.ClientKeyRevoked.v1"):
    """The key never works again; its kid is not given to another."""

    client: str
    kid: str
    revoked_by: str


class ClientApproved(Event, frozen=True, tag="registry.ClientApproved.v1"):
    client: str
    scopes: tuple[str, ...]
    approved_by: str


class ClientSuspended(Event, frozen=True, tag="registry.ClientSuspended.v1"):
    """No key of the client works until it is resumed."""

    client: str
    by: str
    reason: str


class ClientResumptionRequested(Event, frozen=True, tag="registry.ClientResumptionRequested.v1"):
    """A person asked for a suspended client to be let in again; nothing works before another has agreed."""

    client: str
    by: str
    reason: str


class ClientResumed(Event, frozen=True, tag="registry.ClientResumed.v1"):
    client: str
    by: str


ClientEvent = (
    ClientRequested
    | ClientKeySubmitted
    | ClientKeyApproved
    | ClientKeyRevoked
    | ClientApproved
    | ClientSuspended
    | ClientResumptionRequested
    | ClientResumed
)
EVENTS = (
    ClientRequested,
    ClientKeySubmitted,
    ClientKeyApproved,
    ClientKeyRevoked,
    ClientApproved,
    ClientSuspended,
    ClientResumptionRequested,
    ClientResumed,
)


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class ClientKey(msgspec.Struct, frozen=True):
    kid: str
    use: KeyUse
    algorithm: KeyAlgorithm
    public_key: dict[str, str]
    submitted_by: str
    status: Literal["submitted", "approved", "revoked"] = "submitted"
    approved_by: str | None = None


class Client(msgspec.Struct, frozen=True):
    """Also the inline row under its client_id, by which the token endpoint finds it."""

    client: str | None = None
    name: str = ""
    scopes: tuple[str, ...] = ()
    status: Status = "requested"
    requested_by: str = ""
    approved_by: str | None = None
    keys: dict[str, ClientKey] = {}
    resumption_requested_by: str | msgspec.UnsetType = msgspec.UNSET
    """Unset, and not in the row, while nobody has: rows that were written before this was known stay right."""

    def token_key(self, kid: str) -> ClientKey | None:
        """The key that may sign for an access token now, None when it may not."""
        key = self.keys.get(kid)
        if self.status != "approved" or key is None or (key.use, key.status) != ("token", "approved"):
            return None
        return key

    def signature_keys(self) -> tuple[ClientKey, ...]:
        """The keys that may sign messages now."""
        if self.status != "approved":
            return ()
        return tuple(key for key in self.keys.values() if (key.use, key.status) == ("signature", "approved"))


def evolve(client: Client, event: ClientEvent) -> Client:
    match event:
        case ClientRequested():
            return Client(event.client, event.name, event.scopes, "requested", event.requested_by)
        case ClientKeySubmitted():
            key = ClientKey(event.kid, event.use, event.algorithm, event.public_key, event.submitted_by)
            return _with_key(client, key)
        case ClientKeyApproved():
            known = client.keys[event.kid]
            return _with_key(client, msgspec.structs.replace(known, status="approved", approved_by=event.approved_by))
        case ClientKeyRevoked():
            return _with_key(client, msgspec.structs.replace(client.keys[event.kid], status="revoked"))
        case ClientApproved():
            return msgspec.structs.replace(client, status="approved", approved_by=event.approved_by)
        case ClientSuspended():
            return msgspec.structs.replace(client, status="suspended")
        case ClientResumptionRequested():
            return msgspec.structs.replace(client, resumption_requested_by=event.by)
        case ClientResumed():
            return msgspec.structs.replace(client, status="approved", resumption_requested_by=msgspec.UNSET)


def _with_key(client: Client, key: ClientKey) -> Client:
    return msgspec.structs.replace(client, keys={**client.keys, key.kid: key})


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class RequestClient(msgspec.Struct, frozen=True):
    client: str
    name: str
    scopes: tuple[str, ...]
    by: str
    holder: str | None


class SubmitKey(msgspec.Struct, frozen=True):
    kid: str
    use: KeyUse
    algorithm: KeyAlgorithm
    public_key: dict[str, str]
    by: str


class ApproveClient(msgspec.Struct, frozen=True):
    by: str


class ApproveKey(msgspec.Struct, frozen=True):
    kid: str
    by: str


class RevokeKey(msgspec.Struct, frozen=True):
    kid: str
    by: str


class SuspendClient(msgspec.Struct, frozen=True):
    by: str
    reason: str


class RequestResumption(msgspec.Struct, frozen=True):
    by: str
    reason: str


class ResumeClient(msgspec.Struct, frozen=True):
    by: str


ClientCommand = (
    RequestClient
    | SubmitKey
    | ApproveClient
    | ApproveKey
    | RevokeKey
    | SuspendClient
    | RequestResumption
    | ResumeClient
)
SECOND_PERSON = Rejection(code="second_person_required", detail="须由另一人批准", status=403)
NOT_APPROVED = Rejection(code="client_not_approved", detail="客户端尚未批准或已停用")


def decide(command: ClientCommand, client: Client) -> Decision:
    match command:
        case RequestClient():
            return _request(command)
        case _ if client.client is None:
            return Rejection(code="not_found", detail="没有找到这个客户端", status=404)
        case SubmitKey():
            return _submit(command, client, client.client)
        case ApproveClient(by):
            return _approve(by, client, client.client)
        case ApproveKey(kid, by):
            return _approve_key(kid, by, client, client.client)
        case RevokeKey(kid, by):
            key = client.keys.get(kid)
            if key is None:
                return _unknown_key()
            return [] if key.status == "revoked" else [ClientKeyRevoked(client.client, kid, by)]
        case SuspendClient(by, reason):
            return [ClientSuspended(client.client, by, reason)] if client.status == "approved" else NOT_APPROVED
        case RequestResumption() | ResumeClient() if client.status != "suspended":
            return Rejection(code="client_not_suspended", detail="客户端没有停用")
        case RequestResumption(by, reason):
            asked = client.resumption_requested_by
            return [] if asked == by else [ClientResumptionRequested(client.client, by, reason)]
        case ResumeClient(by):
            return _resume(by, client, client.client)


def _request(command: RequestClient) -> Decision:
    if command.holder is not None:
        return Rejection(code="client_exists", detail="这个客户端编号已登记", extensions={"id": command.holder})
    return [ClientRequested(command.client, command.name, command.scopes, command.by)]


def _submit(command: SubmitKey, client: Client, name: str) -> Decision:
    if command.use == "token" and command.algorithm not in TOKEN_ALGORITHMS:
        return _refused_key("/public_key/crv", "key.algorithm", "换取令牌的密钥只能是 Ed25519 或 ES256")
    if len(client.keys) >= MOST_KEYS:
        return Rejection(code="too_many_keys", detail=f"一个客户端最多登记 {MOST_KEYS} 个密钥")
    known = client.keys.get(command.kid)
    if known is not None and known.public_key == command.public_key and known.use == command.use:
        return []
    if known is not None:
        return _refused_key("/public_key/kid", "key.kid_taken", "这个 kid 已用于另一个密钥")
    if any(_material(key.public_key) == _material(command.public_key) for key in client.keys.values()):
        return _refused_key("/public_key/x", "key.reused", "这个公钥已登记过，请生成新的密钥")
    return [
        ClientKeySubmitted(name, command.kid, command.use, command.algorithm, command.public_key, command.by),
    ]


def _approve(by: str, client: Client, name: str) -> Decision:
    """The client, and with it those of its keys that somebody else has handed in."""
    if client.status != "requested":
        return Rejection(code="client_decided", detail="客户端已批准过")
    if by == client.requested_by:
        return SECOND_PERSON
    waiting = [key for key in client.keys.values() if key.status == "submitted" and key.submitted_by != by]
    return [ClientApproved(name, client.scopes, by), *(_approved(name, key, by) for key in waiting)]


def _resume(by: str, client: Client, name: str) -> Decision:
    """Letting a client in again takes two persons, as letting it in did."""
    if client.resumption_requested_by is msgspec.UNSET:
        return Rejection(code="resumption_not_requested", detail="须先有人申请恢复这个客户端，再由另一人批准")
    return SECOND_PERSON if by == client.resumption_requested_by else [ClientResumed(name, by)]


def _approve_key(kid: str, by: str, client: Client, name: str) -> Decision:
    key = client.keys.get(kid)
    if key is None:
        return _unknown_key()
    if client.status != "approved":
        return NOT_APPROVED
    if key.status == "revoked":
        return Rejection(code="key_revoked", detail="这个密钥已吊销，不能再批准")
    if key.status == "approved":
        return []
    return SECOND_PERSON if by == key.submitted_by else [_approved(name, key, by)]


def _approved(name: str, key: ClientKey, by: str) -> ClientKeyApproved:
    return ClientKeyApproved(name, key.kid, key.use, key.algorithm, key.public_key, by)


def _material(public_key: dict[str, str]) -> tuple[str | None, ...]:
    return tuple(public_key.get(part) for part in ("crv", "x", "y"))


def _unknown_key() -> Rejection:
    return Rejection(code="not_found", detail="没有找到这个密钥", status=404)


def _refused_key(pointer: str, code: str, detail: str) -> Rejection:
    fields = (FieldError(pointer, code, detail),)
    return Rejection(code="invalid_request", detail="请求内容有误，请按提示修改", status=422, fields=fields)


CLIENT_ID = "client/id"
CREDENTIALS = "client"
"""The inline view of clients by client_id."""


def limits(client: Client, event: ClientEvent) -> tuple[LimitChange, ...]:
    """One client per client_id."""
    return (Take(CLIENT_ID, event.client),) if isinstance(event, ClientRequested) else ()


def rows(stream: str, client: Client, event: ClientEvent) -> tuple[Row, ...]:
    return (Row(CREDENTIALS, event.client, client),)


CLIENT: Aggregate[Client] = Aggregate("cli", EVENTS, Client, evolve, limits, rows)
