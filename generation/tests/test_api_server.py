"""What only a real server shows: bodies that come in chunks, and clients that leave in the middle of one."""

import json
import socket
from collections.abc import Iterator
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
    headers = {"Authorization": f"Bearer {ApiToken.objects.issue(owner, 'a program')}"}
    address = f"{server}{GENERATE}"

    def post(data: bytes, *, in_chunks: bool) -> requests.Response:
        content = (data[start : start + 5000] for start in range(0, len(data), 5000))
        return requests.post(address, content if in_chunks else data, headers=headers, timeout=10)

    small = json.dumps({"prompt": "A fox"}).encode()
    for in_chunks in (False, True):
        # White space around it belongs to the body and not to what is asked.
        assert post(small.ljust(LIMIT), in_chunks=in_chunks).status_code == 202
        answer = post(small.ljust(LIMIT + 1), in_chunks=in_chunks)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    _leave_in_the_middle(server, headers, small)
    assert post(small, in_chunks=True).status_code == 202
    assert GenerationJob.objects.count() == 3


def _leave_in_the_middle(server: str, headers: dict[str, str], body: bytes) -> None:
    """Of a body that would be whole to whoever did not count it."""
    there = urlsplit(server)
    lines = [f"POST {GENERATE} HTTP/1.1", f"Host: {there.netloc}", f"Content-Length: {len(body) + 10}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((there.hostname, there.port)) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
