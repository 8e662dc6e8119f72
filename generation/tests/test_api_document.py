"""The API's document holds what it promises, and its page shows it, offline and under the site's own policy."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from gallery.models import NAME_LENGTH, SCENE_LENGTH, SEEDS
from generation.api.bodies import LARGEST
from generation.api.examples import ANSWERS, REQUESTS
from generation.generate import SCENES_A_JOB, SIDES
from generation.models import KEY_LENGTH
from generation.tests.program import GENERATE, JOBS, Program, assert_fits


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    """As a stranger reads it, without asking the database."""
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    read: dict[str, Any] = answer.json()
    return read


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [operation for path in document["paths"].values() for operation in path.values()]
    return {operation["operationId"]: operation for operation in found}


def test_every_operation_tells_of_its_errors_and_wants_a_token(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["BearerToken"]["scheme"] == "bearer"
    for name, operation in operations(document).items():
        told = operation["responses"]
        assert operation["security"] == [{"BearerToken": []}], name
        assert {"401", "503"} <= told.keys(), name
        assert ("requestBody" in operation) == ({"400", "413", "422"} <= told.keys()), name
        assert any(parameter["in"] == "path" for parameter in operation["parameters"]) == ("404" in told), name
        assert operation["summary"], name


def test_every_operation_has_examples_which_fit(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            assert content["examples"] == REQUESTS[name]
            for example in content["examples"].values():
                assert_fits(example["value"], content["schema"])
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                content = answer["content"]["application/json"]
                assert content["example"] == ANSWERS[name]
                assert_fits(content["example"], content["schema"])
    for answer in document["components"]["responses"].values():
        content = answer["content"]["application/json"]
        assert_fits(content["example"], content["schema"])


@pytest.mark.django_db
def test_the_examples_work_as_they_are(owner: User) -> None:
    program, addresses = Program(owner), {"generate": GENERATE, "new_character": "/api/characters"}
    for name, examples in REQUESTS.items():
        for example in examples.values():
            answer = program.post(addresses.get(name, "/api/stories"), example["value"])
            assert answer.status_code in (201, 202), answer.content


def test_limits_are_those_that_are_checked(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    scenes, prompt = schemas["GenerateScenes"]["properties"], schemas["GeneratePrompt"]["properties"]
    assert (scenes["scenes"]["minItems"], scenes["scenes"]["maxItems"]) == (1, SCENES_A_JOB)
    assert scenes["scenes"]["items"]["maxLength"] == prompt["prompt"]["maxLength"] == SCENE_LENGTH
    assert (scenes["width"]["anyOf"][0]["minimum"], scenes["width"]["anyOf"][0]["maximum"]) == SIDES
    assert scenes["seed"]["anyOf"][0]["maximum"] == SEEDS - 1
    assert schemas["NewCharacter"]["properties"]["name"]["maxLength"] == NAME_LENGTH
    [key] = document["paths"][GENERATE]["post"]["parameters"]
    assert (key["name"], key["schema"]["maxLength"]) == ("Idempotency-Key", KEY_LENGTH)
    assert SCENES_A_JOB * SCENE_LENGTH * len(r"\ud83e\udd8a") < LARGEST


def test_the_providers_are_those_of_the_settings(settings: Any, client: Client) -> None:
    settings.GENERATION_PROVIDERS = {"sketch": "generation.providers.sketch.SketchProvider"}
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
    assert schemas["GeneratePrompt"]["properties"]["provider"]["anyOf"][0]["enum"] == ["sketch"]


@pytest.mark.parametrize("address", ["/api/docs", "/api/openapi.json"])
def test_only_reading_is_possible(client: Client, address: str) -> None:
    answer = client.post(address)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_shows_all_of_it_from_here_alone_and_tries_it(page: Any, live_server: Any, owner: User) -> None:
    program, wrong, asked = Program(owner), [], set()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.add(request.url.removeprefix(live_server.url).partition("/")[0]))
    page.goto(f"{live_server.url}/api/docs")
    page.locator(".opblock").first.wait_for()
    assert page.locator(".opblock").count() == len(ANSWERS)
    page.locator(".authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(program.token)
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".btn-done").click()
    page.locator("#operations-Image_generation-jobs").click()
    page.locator(".try-out__btn").click()
    page.locator(".execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
    assert wrong == []
    assert asked == {""}


@pytest.mark.django_db
def test_the_page_has_the_sites_own_policy(client: Client) -> None:
    assert client.get("/api/docs")["Content-Security-Policy"] == client.get("/sign-in/")["Content-Security-Policy"]
    assert JOBS in client.get("/api/openapi.json").content.decode()
