"""Posting to partners over real sockets: never inside, no longer than allowed, one connection for no two hosts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import anyio
import pytest

from shared.web import outside as module
from shared.web.outside import Failure, Outside, Reply, Unreachable
from tests.integration.web.receivers import Internet, answer

HOST, OTHER = "hooks.example.com", "hooks.example.net"
ONE, TWO = "1.1.1.1", "9.9.9.9"
URL = f"https://{HOST}/hook?a=b"
HANGS = 60.0
"""Seconds after which a test that should have ended is given up."""
INSIDE = (
    "127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "::1",
    "fe80::1%1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
)


@pytest.fixture
async def internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
    made = Internet(tmp_path)
    monkeypatch.setattr(anyio, "connect_tcp", made.connect)
    yield made
    await made.close()


async def post(outside: Outside, url: str = URL) -> Reply:
    async with asyncio.timeout(HANGS):
        return await outside.post(url, b"{}", {"Content-Type": "application/json", "Host": "10.0.0.1"})


async def failure(outside: Outside, url: str = URL) -> Failure:
    with pytest.raises(Unreachable) as unreachable:
        await post(outside, url)
    assert unreachable.value.milliseconds >= 0
    return unreachable.value.failure


async def test_a_message_arrives_under_the_name_of_its_host_at_its_address(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    receiver = await internet.receiver(answer(204, body=b""), HOST, at=ONE)
    reply = await post(internet.outside())
    assert (reply.status, reply.retry_after) == (204, None)
    assert reply.milliseconds >= 0
    (request,) = receiver.requests
    assert (request.line, request.body) == ("POST /hook?a=b HTTP/1.1", b"{}")
    assert request.fields == {"host": HOST, "content-type": "application/json", "content-length": "2"}
    assert (receiver.names, internet.dialled) == ([HOST], [ONE])


async def never(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


# -- inside ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_of_an_inside_address_is_not_connected_to(internet: Internet, address: str) -> None:
    internet.names[HOST] = [[address]]
    receiver = await internet.receiver(answer(), HOST, at=address)
    assert await failure(internet.outside()) == "inside_address"
    assert await failure(internet.outside(loopback=True)) == "inside_address"
    assert (internet.dialled, receiver.connections) == ([], 0)


@pytest.mark.parametrize("addresses", [[ONE, "127.0.0.1"], ["10.0.0.1", ONE], [ONE, TWO, "8.8.8.8", "8.8.4.4", "::1"]])
async def test_one_inside_address_among_several_refuses_all(internet: Internet, addresses: list[str]) -> None:
    internet.names[HOST] = [addresses]
    receiver = await internet.receiver(answer(), HOST, at=ONE)
    assert await failure(internet.outside()) == "inside_address"
    assert (internet.dialled, receiver.connections) == ([], 0)


async def test_a_name_that_changes_its_address_after_the_check_gains_nothing(internet: Internet) -> None:
    """It is asked once, and its address dialled by number; the next post finds it out."""
    internet.names[HOST] = [[ONE], ["127.0.0.1"]]
    receiver = await internet.receiver(answer(), HOST, at=ONE)
    outside = internet.outside()
    assert (await post(outside)).status == 200
    assert (internet.asked, internet.dialled, receiver.connections) == ([HOST], [ONE], 1)
    assert await failure(outside) == "inside_address"
    assert (internet.asked, internet.dialled, receiver.connections) == ([HOST, HOST], [ONE], 1)


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://localhost/"])
async def test_an_inside_literal_is_neither_asked_for_nor_connected_to(internet: Internet, url: str) -> None:
    assert await failure(internet.outside(loopback=True), url) == "inside_address"
    assert (internet.asked, internet.dialled) == ([], [])


async def test_a_url_that_would_not_be_accepted_is_not_posted_to(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    assert await failure(internet.outside(), f"http://{HOST}/") == "protocol"
    assert await failure(internet.outside(), "http://127.0.0.1/") == "protocol"
    assert (internet.asked, internet.dialled) == ([], [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(internet: Internet, status: int) -> None:
    internet.names[HOST], internet.names[OTHER] = [[ONE]], [[TWO]]
    inside = await internet.receiver(answer(), at="127.0.0.1")
    other = await internet.receiver(answer(), OTHER, at=TWO)
    outside = internet.outside(loopback=True)
    for location in ("http://127.0.0.1:443/", f"https://{OTHER}/"):
        await internet.receiver(answer(status, f"Location: {location}", "Connection: close"), HOST, at=ONE)
        assert (await post(outside)).status == status
    assert (inside.connections, other.connections, internet.asked) == (0, 0, [HOST, HOST])
    assert set(internet.dialled) == {ONE}


async def test_a_proxy_of_the_environment_is_not_used(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")
    internet.names[HOST] = [[ONE]]
    await internet.receiver(answer(), HOST, at=ONE)
    assert (await post(internet.outside())).status == 200
    assert internet.dialled == [ONE]


async def test_the_sandbox_is_posted_to_by_http_on_its_own_machine(internet: Internet) -> None:
    receiver = await internet.receiver(answer())
    internet.places["127.0.0.1", receiver.port] = receiver.port
    url = f"http://127.0.0.1:{receiver.port}/hook"
    assert (await post(internet.outside(loopback=True), url)).status == 200
    assert receiver.requests[0].fields["host"] == f"127.0.0.1:{receiver.port}"
    assert await failure(internet.outside(), url) == "protocol"
    assert receiver.connections == 1


# -- what fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [None, [], ["no address"]])
async def test_a_name_without_addresses(internet: Internet, found: list[str] | None) -> None:
    if found is not None:
        internet.names[HOST] = [found]
    assert await failure(internet.outside()) == "name"


async def test_a_real_name_that_cannot_be() -> None:
    """`.invalid` is of nobody (RFC 6761)."""
    outside = Outside()
    assert await failure(outside, "https://hooks.example.invalid/") == "name"
    await outside.close()


async def test_a_refused_connection(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    assert await failure(internet.outside()) == "connection"


async def test_the_next_address_is_tried_where_one_does_not_connect(internet: Internet) -> None:
    internet.names[HOST] = [[ONE, TWO, TWO]]
    receiver = await internet.receiver(answer(), HOST, at=TWO)
    assert (await post(internet.outside())).status == 200
    assert (internet.dialled, receiver.connections) == ([ONE, TWO], 1)


async def test_no_more_than_a_few_addresses_are_tried(internet: Internet) -> None:
    internet.names[HOST] = [[f"1.1.1.{number}" for number in range(100)]]
    assert await failure(internet.outside()) == "connection"
    assert len(internet.dialled) == module.MOST_TRIED


async def test_a_message_that_was_sent_is_not_sent_again_to_the_next_address(internet: Internet) -> None:
    internet.names[HOST] = [[ONE, TWO]]
    first = await internet.receiver(hang_up, HOST, at=ONE)
    second = await internet.receiver(answer(), HOST, at=TWO)
    assert await failure(internet.outside()) in ("protocol", "connection")
    assert (first.connections, second.connections) == (1, 0)


async def test_a_certificate_of_another_name(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    receiver = await internet.receiver(answer(), OTHER, at=ONE)
    assert await failure(internet.outside()) == "tls"
    assert receiver.requests == []


async def test_a_certificate_of_nobody_known(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    receiver = await internet.receiver(answer(), HOST, at=ONE, trusted=False)
    assert await failure(internet.outside()) == "tls"
    assert receiver.requests == []


async def test_no_tls_at_all(internet: Internet) -> None:
    async def greeting(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ready\r\n")

    internet.names[HOST] = [[ONE]]
    await internet.receiver(greeting, at=ONE, first=True)
    assert await failure(internet.outside()) == "tls"


async def test_a_server_that_hangs_up_before_tls(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    await internet.receiver(hang_up, at=ONE, first=True)
    assert await failure(internet.outside()) in ("tls", "connection")


@pytest.mark.parametrize(
    "said", [b"what?\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 40_000, b"HTTP/1.1 9 ?\r\n\r\n"]
)
async def test_an_answer_that_is_no_http(internet: Internet, said: bytes) -> None:
    async def written(writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    internet.names[HOST] = [[ONE]]
    await internet.receiver(written, HOST, at=ONE)
    assert await failure(internet.outside()) == "protocol"


async def test_a_server_that_never_answers(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    await internet.receiver(never, HOST, at=ONE)
    outside = internet.outside()
    outside.deadline = 0.3
    assert await failure(outside) == "timeout"


async def test_a_server_that_never_says_hello(internet: Internet) -> None:
    """TLS belongs to the connection; the next address is tried."""
    await internet.receiver(never, at=ONE, first=True)
    internet.names[HOST], internet.names[OTHER] = [[ONE]], [[ONE, TWO]]
    await internet.receiver(answer(), OTHER, at=TWO)
    outside = internet.outside()
    outside.deadline, outside.connect = HANGS, 0.3
    assert await failure(outside) == "timeout"
    outside.connect = 2.0
    assert (await post(outside, f"https://{OTHER}/")).status == 200


async def test_a_name_that_is_never_answered_for() -> None:
    async def unanswered(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return [ONE]

    outside = Outside(resolve=unanswered)
    outside.deadline = 0.05
    assert await failure(outside) == "timeout"
    await outside.close()


async def test_a_name_that_is_not_answered_for_is_asked_for_once_and_holds_up_no_other(internet: Internet) -> None:
    """Also when nobody waits for it any more."""
    answered, asked = asyncio.Event(), []

    async def slow(host: str, port: int) -> list[str]:
        asked.append(host)
        if host != HOST:
            return [ONE]
        await answered.wait()
        raise OSError("no such name")

    await internet.receiver(answer(), OTHER, at=ONE)
    outside = internet.outside()
    outside._resolve = slow
    outside.deadline = 0.05
    for _ in range(20):
        assert await failure(outside) == "timeout"
    outside.deadline = 15.0
    assert (await post(outside, f"https://{OTHER}/")).status == 200
    assert asked == [HOST, OTHER]
    answered.set()
    assert await failure(outside) == "name"


async def test_who_is_no_longer_waited_for_is_let_go(internet: Internet) -> None:
    waiting = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        waiting.set()
        await never(writer)

    internet.names[HOST] = [[ONE]]
    await internet.receiver(silent, HOST, at=ONE)
    posting = asyncio.create_task(post(internet.outside()))
    await waiting.wait()
    posting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await posting


# -- bodies ----------------------------------------------------------------------------------------


async def test_a_body_without_end_is_left(internet: Internet) -> None:
    """There is time without end to read it; what is read is limited."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
            await writer.drain()

    internet.names[HOST] = [[ONE]]
    receiver = await internet.receiver(endless, HOST, at=ONE)
    outside = internet.outside()
    outside.deadline = outside.body = 10 * HANGS
    assert (await post(outside)).status == 200
    await asyncio.wait_for(receiver.all_ended(1), HANGS)


async def test_a_body_in_slow_drops_is_left(internet: Internet) -> None:
    """It never grows to what may be read; the time for it is limited."""

    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    internet.names[HOST] = [[ONE]]
    receiver = await internet.receiver(dripping, HOST, at=ONE)
    outside = internet.outside()
    outside.deadline, outside.body = 10 * HANGS, 0.2
    assert (await post(outside)).status == 200
    await asyncio.wait_for(receiver.all_ended(1), HANGS)


async def test_a_head_in_slow_drops_is_not_waited_for(internet: Internet) -> None:
    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nA: ")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    internet.names[HOST] = [[ONE]]
    await internet.receiver(dripping, HOST, at=ONE)
    outside = internet.outside()
    outside.deadline = 0.5
    assert await failure(outside) == "timeout"


async def test_an_answer_counts_whose_body_breaks_off(internet: Internet) -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        writer.close()

    internet.names[HOST] = [[ONE]]
    await internet.receiver(broken, HOST, at=ONE)
    assert (await post(internet.outside())).status == 200


# -- connections -----------------------------------------------------------------------------------


async def test_two_hosts_at_one_address_have_a_connection_each(internet: Internet) -> None:
    """Else the second would be told to a server that has shown the first one's certificate only."""
    internet.names[HOST], internet.names[OTHER] = [[ONE]], [[ONE]]
    receiver = await internet.receiver(answer(), HOST, OTHER, at=ONE)
    outside = internet.outside()
    for host in (HOST, OTHER, HOST, OTHER):
        assert (await post(outside, f"https://{host}/")).status == 200
    assert (receiver.connections, receiver.names) == (2, [HOST, OTHER])
    assert [request.fields["host"] for request in receiver.requests] == [HOST, OTHER, HOST, OTHER]


async def test_connections_are_kept_to_a_number_of_hosts_the_last_used(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_HOSTS", 2)
    hosts = [f"{letter}.example.com" for letter in "abc"]
    internet.names = {host: [[ONE]] for host in hosts}
    receiver = await internet.receiver(answer(), *hosts, at=ONE)
    outside = internet.outside()
    a, b, c = hosts
    for host in (a, b, a, c):
        await post(outside, f"https://{host}/")
    await asyncio.wait_for(receiver.all_ended(1), HANGS)
    assert receiver.names == [a, b, c]
    for host in (a, c, b):
        await post(outside, f"https://{host}/")
    assert receiver.names == [a, b, c, b]


async def test_a_connection_in_use_is_not_closed_to_make_room(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_HOSTS", 1)
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def later(writer: asyncio.StreamWriter) -> None:
        waiting.set()
        await go_on.wait()
        await answer()(writer)

    internet.names[HOST], internet.names[OTHER] = [[ONE]], [[TWO]]
    await internet.receiver(later, HOST, at=ONE)
    other = await internet.receiver(answer(), OTHER, at=TWO)
    outside = internet.outside()
    posting = asyncio.create_task(post(outside))
    await waiting.wait()
    assert (await post(outside, f"https://{OTHER}/")).status == 200
    await asyncio.wait_for(other.all_ended(1), HANGS)
    go_on.set()
    assert (await posting).status == 200


async def test_closing_closes_every_connection(internet: Internet) -> None:
    internet.names[HOST], internet.names[OTHER] = [[ONE]], [[ONE]]
    receiver = await internet.receiver(answer(), HOST, OTHER, at=ONE)
    outside = internet.outside()
    for host in (HOST, OTHER):
        await post(outside, f"https://{host}/")
    await outside.close()
    await asyncio.wait_for(receiver.all_ended(2), HANGS)


# -- when to come again ----------------------------------------------------------------------------


async def test_a_partner_says_when_to_come_again(internet: Internet) -> None:
    internet.names[HOST] = [[ONE]]
    outside = internet.outside()
    now = datetime.now(UTC)
    far, past = (format_datetime(now + timedelta(days=days), usegmt=True) for days in (9, -9))
    for field, seconds in (("120", 120.0), (far, 86400.0), (past, 0.0), ("soon", None)):
        receiver = await internet.receiver(answer(503, f"Retry-After: {field}", "Connection: close"), HOST, at=ONE)
        reply = await post(outside)
        assert (reply.status, reply.retry_after) == (503, seconds)
        assert receiver.connections == 1
