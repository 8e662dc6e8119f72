"""What only a real server shows: bodies that come in chunks, and clients that leave in the middle of one."""

import json
import socket
from collections.abc import Iterator
from select import select
from urllib.parse import urlsplit

import pytest
import requests

from accounts.models import ApiToken, User
from generation.models import GenerationJob
from generation.tests.program import GENERATE
from generation.tests.served import served

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 100_000


@pytest.fixture
def server(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a site whose limit is quickly passed."""
    monkeypatch.setattr("generation.api.bodies.LARGEST", LIMIT)
    with served() as address:
        yield address


def test_bodies_of_every_kind_of_client(server: str, owner: User) -> None:
    token = ApiToken.objects.issue(owner, "a program")
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{server}{GENERATE}"

    def post(data: bytes, *, in_chunks: bool) -> requests.Response:
        content = (data[start : start + 5000] for start in range(0, len(data), 5000))
        return requests.post(address, content if in_chunks else data, headers=headers, timeout=10)

    small = json.dumps({"prompt": "A fox"}).encode()
    for in_chunks in (False, True):
        # White space around it belongs to the body and not to what is asked.
        assert post(small.ljust(LIMIT), in_chunks=in_chunks).status_code == 202
        for length in (LIMIT + 1, 50 * LIMIT):
            answer = post(small.ljust(length), in_chunks=in_chunks)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    _leave_in_the_middle(server, token, small)
    assert post(small, in_chunks=True).status_code == 202
    assert GenerationJob.objects.count() == 3


@pytest.mark.parametrize(("path", "status"), [(GENERATE, b"413"), ("/generate/", b"403")])
def test_a_body_that_is_too_large_is_answered_before_it_is_sent(
    server: str, owner: User, path: str, status: bytes
) -> None:
    with _connected(server) as client:
        client.sendall(_head(server, path, ApiToken.objects.issue(owner, "a program"), "Content-Length: 9999999999999"))
        assert client.recv(4096).split()[1] == status
    with _connected(server) as client:
        client.sendall(_head(server, GENERATE, "wrong", "Content-Length: 9999999999999"))
        assert client.recv(4096).split()[1] == b"401"


def test_a_body_without_an_end_is_answered_when_it_passes_the_limit(server: str, owner: User) -> None:
    token = ApiToken.objects.issue(owner, "a program")
    chunk, sent = b"2000\r\n" + b" " * 0x2000 + b"\r\n", 0
    with _connected(server) as client:
        client.sendall(_head(server, GENERATE, token, "Transfer-Encoding: chunked"))
        while not select([client], [], [], 0.05)[0]:
            client.sendall(chunk)
            sent += 0x2000
            assert sent < 10 * LIMIT, "it is taken in without an end"
        assert client.recv(4096).split()[1] == b"413"


def _connected(server: str) -> socket.socket:
    there = urlsplit(server)
    return socket.create_connection((there.hostname or "", there.port or 0), timeout=10)


def _head(server: str, path: str, token: str, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(server).netloc}", f"Authorization: Bearer {token}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def _leave_in_the_middle(server: str, token: str, body: bytes) -> None:
    """Of a body that would be whole to whoever did not count it."""
    with _connected(server) as client:
        client.sendall(_head(server, GENERATE, token, f"Content-Length: {len(body) + 10}") + body)
