"""A program that uses the API: JSON in, JSON out, and every answer is checked against the API's own document."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
from django.conf import settings
from django.test import Client

from accounts.models import ApiToken, User
from generation.api.document import document

GENERATE = "/api/image-generation/generate"
JOBS = "/api/image-generation/jobs"

Json = dict[str, Any]


class Program:
    def __init__(self, person: User) -> None:
        self.token = ApiToken.objects.issue(person, "a program")
        self._client = Client(headers={"Authorization": f"Bearer {self.token}"})

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> Any:
        return self._checked("GET", address, self._client.get(address, headers=dict(headers or {})))

    def post(self, address: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = self._client.post(address, content, "application/json", headers=dict(headers or {}))
        return self._checked("POST", address, answer)

    def generate(self, body: Json, headers: Mapping[str, str] | None = None) -> Json:
        """Press Generate; the job."""
        answer = self.post(GENERATE, body, headers)
        assert answer.status_code == 202, answer.content
        job: Json = answer.json()
        return job

    def job(self, pk: object) -> Json:
        job: Json = self.get(f"{JOBS}/{pk}").json()
        return job

    @staticmethod
    def _checked(method: str, address: str, answer: Any) -> Any:
        told = operation(method, urlsplit(address).path)["responses"].get(str(answer.status_code))
        assert told is not None, f"{method} {address} does not tell of {answer.status_code}: {answer.content[:500]}"
        told = _resolved(told)
        for name in told.get("headers", {}):
            assert name in answer.headers, f"{answer.status_code} without {name}"
        if "content" not in told:
            assert not answer.content
            return answer
        assert answer.headers["Content-Type"] == "application/json"
        assert_fits(answer.json(), told["content"]["application/json"]["schema"])
        return answer


def assert_fits(value: object, schema: Json) -> None:
    """Raises with the first place where `value` is not as the document says."""
    with_parts = {**schema, "components": _document()["components"]}
    jsonschema_rs.validator_for(with_parts, validate_formats=True).validate(value)


def operation(method: str, path: str) -> Json:
    for template, operations in _document()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
            found: Json = operations[method.lower()]
            return found
    raise AssertionError(f"The document knows no address {path}.")


def _document() -> Json:
    return document(tuple(settings.GENERATION_PROVIDERS))


def _resolved(part: Json) -> Json:
    found: Any = _document() if "$ref" in part else part
    for name in part.get("$ref", "#").split("/")[1:]:
        found = found[name]
    return dict(found)
