"""What the API refuses: the right status, an error in one shape, the field by its name, and no row made or moved."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.test.client import ClientHandler

from accounts.models import ApiToken, User
from gallery.models import Character, Scene, Story
from generation.api.bodies import LARGEST
from generation.models import GenerationJob, SceneGeneration
from generation.tests import rows

GENERATE = "/api/image-generation/generate"
CHARACTERS = "/api/characters"
STORIES = "/api/stories"
TABLES = (GenerationJob, SceneGeneration, Scene, Story, Character)

Ask = Callable[..., GenerationJob]
# Address -> the methods that it takes.
Addresses = dict[str, set[str]]
# Sends a request that is to be refused with this status, and gives the error's code, message and fields.
Refuse = Callable[..., dict[str, Any]]


@pytest.fixture
def token(owner: User) -> str:
    return ApiToken.objects.issue(owner, "tests")


@pytest.fixture
def other(db: None) -> User:
    """Somebody else, whose things have names that a test can write down."""
    other = User.objects.create_user("other")
    Character.objects.create(owner=other, name="Ann", slug="ann-0000")
    Story.objects.create(owner=other, title="The sea", slug="the-sea-0000")
    return other


@pytest.fixture(scope="module")
def handler() -> ClientHandler:
    """One for all: WhiteNoise looks through all files each time that a handler begins."""
    return Client().handler


@pytest.fixture
def client(handler: ClientHandler) -> Client:
    client = Client()
    client.handler = handler
    return client


@pytest.fixture
def refuse(client: Client, token: str, other: User) -> Refuse:
    def refuse(status: int, method: str, address: str, body: object = None, **options: Any) -> dict[str, Any]:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        options = {"content_type": "application/json", "headers": {"Authorization": f"Bearer {token}"}, **options}
        before = _all_rows()
        answer = client.generic(method, address, content, **options)
        assert answer.status_code == status, answer.content[:500]
        assert answer["Content-Type"].partition(";")[0] == "application/json"
        assert _all_rows() == before
        error: dict[str, Any] = answer.json().pop("error")
        assert error.keys() <= {"code", "message", "fields"}
        assert error["code"]
        assert error["message"]
        return {**error, "headers": answer.headers}

    return refuse


def _all_rows() -> dict[str, list[Any]]:
    return {table.__name__: list(table._default_manager.order_by("pk").values()) for table in TABLES}


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    found: dict[str, Any] = Client().get("/api/openapi.json").json()["paths"]
    assert GENERATE in found
    return found


@pytest.fixture
def addresses(paths: dict[str, Any], ask: Ask, owner: User) -> Addresses:
    """All that the document knows, of rows of the one who asks."""
    ids = {
        "jobs": str(ask("one").pk),
        "characters": Character.objects.create(owner=owner, name="Mira").slug,
        "stories": Story.objects.create(owner=owner, title="The lantern").slug,
    }
    return {
        re.sub(r"(\w+)/{\w+}", lambda found: f"{found[1]}/{ids[found[1]]}", path): {
            method.upper() for method in methods
        }
        for path, methods in paths.items()
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("prompt", {}, id="nothing asked"),
        pytest.param("scenes", {"scenes": []}, id="no scenes"),
        pytest.param("scenes", {"scenes": None}, id="scenes null"),
        pytest.param("scenes", {"scenes": "one"}, id="scenes as text"),
        pytest.param("scenes", {"scenes": {"0": "one"}}, id="scenes as an object"),
        pytest.param("scenes", {"scenes": ["one", 2]}, id="scene as a number"),
        pytest.param("scenes", {"scenes": ["one", None]}, id="scene null"),
        pytest.param("scenes", {"scenes": [["one"]]}, id="scene as a list"),
        pytest.param("scenes", {"scenes": ["one", ""]}, id="scene empty"),
        pytest.param("scenes", {"scenes": ["one", " \t\n\u3000"]}, id="scene blank"),
        pytest.param("scenes", {"scenes": ["x" * 4001]}, id="scene too long"),
        pytest.param("scenes", {"scenes": ["one\0two"]}, id="scene with NUL"),
        pytest.param("scenes", {"scenes": ["one \ud800"]}, id="scene with half a character"),
        pytest.param("scenes", {"scenes": ["x"] * 1001}, id="1,001 scenes"),
        pytest.param("prompt", {"prompt": ""}, id="prompt empty"),
        pytest.param("prompt", {"prompt": "  "}, id="prompt blank"),
        pytest.param("prompt", {"prompt": None}, id="prompt null"),
        pytest.param("prompt", {"prompt": 1}, id="prompt as a number"),
        pytest.param("prompt", {"prompt": ["one"]}, id="prompt as a list"),
        pytest.param("prompt", {"prompt": "x" * 4001}, id="prompt too long"),
        pytest.param("prompt", {"prompt": "one\0"}, id="prompt with NUL"),
        pytest.param("prompt", {"prompt": "\udfff"}, id="prompt with half a character"),
        pytest.param("prompt", {"quantity": 4}, id="quantity alone"),
        pytest.param("prompt", {"scenes": ["one"], "prompt": "one"}, id="both forms"),
        pytest.param("quantity", {"scenes": ["one"], "quantity": 2}, id="scenes with a quantity"),
        pytest.param("quantity", {"prompt": "one", "quantity": 0}, id="quantity 0"),
        pytest.param("quantity", {"prompt": "one", "quantity": -1}, id="quantity -1"),
        pytest.param("quantity", {"prompt": "one", "quantity": 1001}, id="quantity 1,001"),
        pytest.param("quantity", {"prompt": "one", "quantity": 10**6}, id="quantity 10⁶"),
        pytest.param("quantity", {"prompt": "one", "quantity": 10**40}, id="quantity 10⁴⁰"),
        pytest.param("quantity", {"prompt": "one", "quantity": "many"}, id="quantity many"),
        pytest.param("quantity", {"prompt": "one", "quantity": "4"}, id="quantity as text"),
        pytest.param("quantity", {"prompt": "one", "quantity": 1.5}, id="quantity 1.5"),
        pytest.param("quantity", {"prompt": "one", "quantity": True}, id="quantity true"),
        pytest.param("width", {"prompt": "one", "width": 63}, id="width 63"),
        pytest.param("width", {"prompt": "one", "width": 2049}, id="width 2049"),
        pytest.param("width", {"prompt": "one", "width": "wide"}, id="width as text"),
        pytest.param("height", {"prompt": "one", "height": 63}, id="height 63"),
        pytest.param("height", {"prompt": "one", "height": 2049}, id="height 2049"),
        pytest.param("height", {"prompt": "one", "height": 64.5}, id="height 64.5"),
        pytest.param("seed", {"prompt": "one", "seed": -1}, id="seed -1"),
        pytest.param("seed", {"prompt": "one", "seed": 2**31}, id="seed 2³¹"),
        pytest.param("seed", {"prompt": "one", "seed": 1e300}, id="seed 10³⁰⁰"),
        pytest.param("seed", {"prompt": "one", "seed": "random"}, id="seed as text"),
        pytest.param("provider", {"prompt": "one", "provider": "nobody"}, id="provider unknown"),
        pytest.param("provider", {"prompt": "one", "provider": 1}, id="provider as a number"),
        pytest.param("character", {"prompt": "one", "character": "mira-0000"}, id="character unknown"),
        pytest.param("character", {"prompt": "one", "character": "ann-0000"}, id="character of somebody else"),
        pytest.param("character", {"prompt": "one", "character": "mira\0"}, id="character with NUL"),
        pytest.param("character", {"prompt": "one", "character": "\ud800"}, id="character with half a character"),
        pytest.param("character", {"prompt": "one", "character": ["ann-0000"]}, id="character as a list"),
        pytest.param("story", {"prompt": "one", "story": "the-lantern-0000"}, id="story unknown"),
        pytest.param("story", {"prompt": "one", "story": "the-sea-0000"}, id="story of somebody else"),
        pytest.param("story", {"prompt": "one", "story": "a\0"}, id="story with NUL"),
        pytest.param("story", {"prompt": "one", "story": 7}, id="story as a number"),
        pytest.param("colour", {"prompt": "one", "colour": "red"}, id="unknown field"),
        pytest.param("\ud800", {"prompt": "one", "\ud800": 1}, id="unknown field of half a character"),
    ],
)
def test_what_cannot_be_generated_is_told_by_its_field(refuse: Refuse, field: str, body: object) -> None:
    error = refuse(422, "POST", GENERATE, body)
    assert field in error["fields"]
    assert all(error["fields"].values())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("name", {}, id="no name"),
        pytest.param("name", {"name": ""}, id="name empty"),
        pytest.param("name", {"name": " \n"}, id="name blank"),
        pytest.param("name", {"name": None}, id="name null"),
        pytest.param("name", {"name": 7}, id="name as a number"),
        pytest.param("name", {"name": "x" * 81}, id="name too long"),
        pytest.param("name", {"name": "Mi\0ra"}, id="name with NUL"),
        pytest.param("name", {"name": "Mira \ud83e"}, id="name with half a character"),
        pytest.param("appearance", {"name": "Mira", "appearance": "x" * 1001}, id="appearance too long"),
        pytest.param("appearance", {"name": "Mira", "appearance": "\0"}, id="appearance with NUL"),
        pytest.param("appearance", {"name": "Mira", "appearance": ["red"]}, id="appearance as a list"),
        pytest.param("style", {"name": "Mira", "style": "x" * 501}, id="style too long"),
        pytest.param("style", {"name": "Mira", "style": "\0"}, id="style with NUL"),
        pytest.param("embedding", {"name": "Mira", "embedding": "x" * 201}, id="embedding too long"),
        pytest.param("embedding", {"name": "Mira", "embedding": "\0"}, id="embedding with NUL"),
        pytest.param("embedding", {"name": "Mira", "embedding": False}, id="embedding false"),
        pytest.param("owner", {"name": "Mira", "owner": "other"}, id="unknown field"),
    ],
)
def test_a_character_that_cannot_be_made_is_told_by_its_field(refuse: Refuse, field: str, body: object) -> None:
    assert refuse(422, "POST", CHARACTERS, body)["fields"][field]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "body"),
    [
        pytest.param("title", {}, id="no title"),
        pytest.param("title", {"title": ""}, id="title empty"),
        pytest.param("title", {"title": "\u3000"}, id="title blank"),
        pytest.param("title", {"title": ["The lantern"]}, id="title as a list"),
        pytest.param("title", {"title": "x" * 121}, id="title too long"),
        pytest.param("title", {"title": "\0"}, id="title with NUL"),
        pytest.param("title", {"title": "\ud800"}, id="title with half a character"),
        pytest.param("style", {"title": "The lantern", "style": "x" * 501}, id="style too long"),
        pytest.param("style", {"title": "The lantern", "style": "\0"}, id="style with NUL"),
        pytest.param("style", {"title": "The lantern", "style": 1}, id="style as a number"),
        pytest.param("scenes", {"title": "The lantern", "scenes": "one"}, id="scenes as text"),
        pytest.param("scenes", {"title": "The lantern", "scenes": ["one", " "]}, id="scene blank"),
        pytest.param("scenes", {"title": "The lantern", "scenes": ["x" * 4001]}, id="scene too long"),
        pytest.param("scenes", {"title": "The lantern", "scenes": ["\0"]}, id="scene with NUL"),
        pytest.param("scenes", {"title": "The lantern", "scenes": ["\ud800"]}, id="scene with half a character"),
        pytest.param("scenes", {"title": "The lantern", "scenes": ["x"] * 1001}, id="1,001 scenes"),
        pytest.param("slug", {"title": "The lantern", "slug": "the-sea-0000"}, id="unknown field"),
    ],
)
def test_a_story_that_cannot_be_made_is_told_by_its_field(refuse: Refuse, field: str, body: object) -> None:
    assert refuse(422, "POST", STORIES, body)["fields"][field]


@pytest.mark.django_db
@pytest.mark.parametrize("address", [GENERATE, CHARACTERS, STORIES])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" \n", id="white space"),
        pytest.param(b'{"prompt": "one", "name": "Mi', id="cut JSON"),
        pytest.param(b'{"prompt": "one"} {}', id="two objects"),
        pytest.param(b"prompt=one&name=Mira&title=The+lantern", id="a form"),
        pytest.param(b'{"prompt": "\xff", "name": "\xff", "title": "\xff"}', id="not UTF-8"),
        pytest.param('{"prompt": "one", "name": "Mira", "title": "The lantern"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"prompt": "one\x00", "name": "\x00", "title": "\x00"}', id="a raw NUL"),
        pytest.param(b'{"prompt": "one", "seed": NaN, "name": "Mira", "title": "x"}', id="NaN"),
        pytest.param(b'{"prompt": "one", "seed": ' + b"9" * 5000 + b"}", id="a number without end"),
        pytest.param(b'{"prompt": ' + b"[" * 100_000, id="lists without end"),
        pytest.param(b"[]", id="array"),
        pytest.param(b'["one", "two"]', id="array of scenes"),
        pytest.param(b"null", id="null"),
        pytest.param(b"true", id="true"),
        pytest.param(b"0", id="number"),
        pytest.param(b'"one"', id="text"),
    ],
)
def test_a_body_that_is_no_json_object_is_malformed(refuse: Refuse, address: str, body: bytes) -> None:
    assert "fields" not in refuse(400, "POST", address, body)


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", " ", "x" * 201, "two\nlines", "schlüssel", "🦊"])
def test_a_key_is_a_short_word(refuse: Refuse, token: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    error = refuse(422, "POST", GENERATE, {"prompt": "one"}, headers=headers)
    assert error["fields"]["Idempotency-Key"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"prompt=one"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\none\r\n--x--\r\n',
        ),
        ("text/plain", b"one"),
        ("image/png", b"\x89PNG\r\n\x1a\n"),
        ("", b"one"),
        ("nonsense", b"one"),
    ],
)
def test_a_body_of_another_kind_is_malformed(refuse: Refuse, content_type: str, body: bytes) -> None:
    refuse(400, "POST", GENERATE, body, content_type=content_type)


@pytest.mark.django_db
@pytest.mark.parametrize("address", [GENERATE, CHARACTERS, STORIES])
def test_a_body_past_the_largest_request_is_refused(refuse: Refuse, address: str) -> None:
    refuse(413, "POST", address, b" " * (LARGEST + 1))


@pytest.mark.django_db
def test_the_largest_request_that_the_limits_allow_is_read(refuse: Refuse) -> None:
    """As the most wasteful of clients writes it, a thousand scenes of 4,000 characters that take twelve bytes each.

    The story that is not there shows that all of it was read, and that nothing else was wrong with it.
    """
    scenes = ["\N{FOX FACE}" * 4000] * 1000
    assert refuse(422, "POST", GENERATE, {"scenes": scenes, "story": "x-0000"})["fields"].keys() == {"story"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer wrong", id="wrong token"),
        pytest.param("Bearer {revoked}", id="revoked token"),
        pytest.param("Bearer {inactive}", id="token of a closed account"),
        pytest.param("Bearer {right} {right}", id="two tokens"),
        pytest.param("Basic {right}", id="another scheme"),
        pytest.param("{right}", id="no scheme"),
        pytest.param("Bearer \xff", id="not ASCII"),
    ],
)
def test_nobody_gets_in_without_a_token_that_is_theirs(
    refuse: Refuse, client: Client, owner: User, addresses: Addresses, authorization: str | None
) -> None:
    tokens = {name: ApiToken.objects.issue(owner, name) for name in ("right", "revoked")}
    ApiToken.objects.filter(name="revoked").revoke()
    closed = User.objects.create_user("closed", is_active=False)
    tokens["inactive"] = ApiToken.objects.issue(closed, "inactive")
    # A session is no token: whoever could make a browser send a request would act in its person's name.
    client.force_login(owner)
    headers = {} if authorization is None else {"Authorization": authorization.format(**tokens)}
    for address, methods in addresses.items():
        for method in methods:
            error = refuse(401, method, address, {"prompt": "one"}, headers=headers)
            assert error["headers"]["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"])
def test_another_method_is_told_which_ones_there_are(refuse: Refuse, addresses: Addresses, method: str) -> None:
    for address, methods in addresses.items():
        if method not in methods:
            assert set(refuse(405, method, address, {})["headers"]["Allow"].split(", ")) >= methods


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["jobs", "characters", "stories"])
def test_what_is_somebody_elses_looks_like_what_is_not_there(
    refuse: Refuse, addresses: Addresses, ask: Ask, other: User, kind: str
) -> None:
    theirs = {
        "jobs": str(ask("one", owner=other).pk),
        "characters": Character.objects.get(owner=other).slug,
        "stories": Story.objects.get(owner=other).slug,
    }
    absent = {"jobs": str(uuid4()), "characters": "nobody-0000", "stories": "nothing-0000"}
    below = [(address, methods) for address, methods in addresses.items() if f"/{kind}/" in address]
    assert below
    for address, methods in below:
        for method in methods:
            before, _, after = address.partition(f"/{kind}/")
            rest = "".join(after.partition("/")[1:])
            answers = [refuse(404, method, f"{before}/{kind}/{key}{rest}", {}) for key in (theirs[kind], absent[kind])]
            assert answers[0]["code"] == answers[1]["code"]
            assert answers[0]["message"] == answers[1]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/api/",
        "/api/nowhere",
        "/api/image-generation/jobs/7",
        "/api/image-generation/jobs/%00",
        "/api/image-generation/jobs/%FF/cancel",
        "/api/characters/%00/images",
        "/api/characters/%ED%A0%80/images",
        "/api/stories/..%2F/images",
    ],
)
def test_an_address_that_is_none_is_not_found(refuse: Refuse, address: str) -> None:
    refuse(404, "GET", address)


@pytest.mark.django_db
def test_a_job_that_has_ended_cannot_be_cancelled(refuse: Refuse, ask: Ask) -> None:
    job = ask("one", "two")
    first, second = job.scenes.all()
    rows.save(first)
    rows.fail(second)
    refuse(409, "POST", f"/api/image-generation/jobs/{job.pk}/cancel")


@pytest.mark.django_db
def test_a_job_without_a_failed_scene_cannot_be_retried(refuse: Refuse, ask: Ask) -> None:
    job = ask("one", "two", "three")
    first, second, _ = job.scenes.all()
    rows.save(first)
    rows.run(second)
    refuse(409, "POST", f"/api/image-generation/jobs/{job.pk}/retry")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "101"),
        ("limit", "1.5"),
        ("limit", "many"),
        ("limit", ""),
        ("limit", "9" * 5000),
        ("cursor", "7"),
        ("cursor", ""),
        ("cursor", "%00"),
        ("cursor", str(UUID(int=7))),
    ],
)
def test_a_page_that_is_none_is_told_by_its_field(refuse: Refuse, addresses: Addresses, field: str, value: str) -> None:
    lists = [address for address in addresses if address.endswith(("/images", "/jobs", CHARACTERS, STORIES))]
    assert len(lists) == 5
    for address in lists:
        assert refuse(422, "GET", f"{address}?{field}={value}")["fields"][field]
