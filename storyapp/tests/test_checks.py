"""`manage.py check` says what is in use and what is wrong, and never a key."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.management import BaseCommand, CommandError, call_command

from generation.providers.base import ImageProvider, ImageRequest, Variation
from generation.providers.exceptions import ProviderConfigurationError, ProviderUnavailable
from generation.tests.loopback import faults
from generation.tests.loopback.cloudinary import LoopbackCloudinary

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET = "834211956612345", "k9Canary-aPiSecret_77"


class Misconfigured(ImageProvider):
    def describe(self) -> str:
        raise ProviderConfigurationError("COMFYUI_WORKFLOW: there is no file workflow.json.")

    def first_variation(self, request: ImageRequest) -> Variation:
        raise NotImplementedError


class Away(Misconfigured):
    def describe(self) -> str:
        return "comfyui on http://gpu.example:8188"

    def probe(self, deadline: float) -> None:
        raise ProviderUnavailable("http://gpu.example:8188 does not answer.", provider="comfyui")


@pytest.fixture
def cloud() -> Iterator[LoopbackCloudinary]:
    with LoopbackCloudinary(key=KEY, secret=SECRET) as server:
        yield server


def use(settings: Any, name: str, provider: type[ImageProvider]) -> None:
    settings.IMAGE_PROVIDER = name
    settings.GENERATION_PROVIDERS = {name: f"{provider.__module__}.{provider.__qualname__}"}
    settings.GENERATION_CONCURRENCY = {name: 2}


def keep_in(server: LoopbackCloudinary, settings: Any, **wrong: str) -> None:
    account = {"CLOUD_NAME": server.cloud, "API_KEY": server.key, "API_SECRET": server.secret, "PREFIX": "", **wrong}
    settings.MEDIA_STORAGE = "cloudinary"
    settings.CLOUDINARY_STORAGE = account
    settings.CLOUDINARY_UPLOAD_PREFIX = settings.CLOUDINARY_DELIVERY_URL = server.url
    options = {"cloud_name": account["CLOUD_NAME"], "api_key": account["API_KEY"], "api_secret": account["API_SECRET"]}
    addresses = {"upload_prefix": server.url, "delivery_url": server.url}
    remote = {"BACKEND": "storyapp.cloud.CloudinaryStorage", "OPTIONS": {**options, **addresses}}
    settings.STORAGES = {**settings.STORAGES, "cloudinary": remote, "default": remote}


def said(*options: str) -> str:
    """All that `manage.py check` says. Only our own tags: what Django says of HTTPS is not asked here."""
    output = io.StringIO()
    call_command("check", "--tag", "providers", "--tag", "files", *options, stdout=output, stderr=output, no_color=True)
    return output.getvalue()


def refused(*options: str) -> str:
    with pytest.raises(CommandError) as failed:
        said(*options)
    return str(failed.value)


def test_what_is_in_use_is_said_and_no_warning(settings: Any) -> None:
    words = said("--fail-level", "WARNING")
    assert "Pictures are made by sketch" in words
    assert f"Pictures are kept on disk, in {settings.MEDIA_ROOT}." in words


def test_other_commands_say_nothing_of_it() -> None:
    said()
    output = io.StringIO()
    BaseCommand(stdout=output, stderr=output).check()
    assert "Pictures are" not in output.getvalue()


def test_accounts_and_their_limit_are_said(settings: Any) -> None:
    use(settings, "gpu", Away)
    settings.GENERATION_ACCOUNTS = {"gpu": ["http://a:8188", "http://b:8188"]}
    words = said()
    assert "comfyui on http://gpu.example:8188; accounts http://a:8188, http://b:8188; 2 at once each." in words


def test_a_cloud_is_told_by_name_and_fingerprint(settings: Any, cloud: LoopbackCloudinary) -> None:
    keep_in(cloud, settings)
    words = said()
    assert f"cloud loopback, account {sha256(KEY.encode()).hexdigest()[:8]}" in words
    assert cloud.url in words
    assert not cloud.requests, "without --deploy nobody is asked"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"API_SECRET": ""}, "CLOUDINARY_URL lacks the API secret."),
        ({"API_KEY": "", "API_SECRET": ""}, "CLOUDINARY_URL lacks the API key and the API secret."),
        ({"CLOUD_NAME": ""}, "CLOUDINARY_URL lacks the cloud's name."),
        ({"API_SECRET": "<your_api_secret>"}, "CLOUDINARY_URL still has a placeholder for the API secret."),
        ({"API_SECRET": "**********"}, "CLOUDINARY_URL still has a placeholder for the API secret."),
    ],
)
def test_wrong_settings_of_the_cloud_are_an_error(
    settings: Any, cloud: LoopbackCloudinary, wrong: dict[str, str], words: str
) -> None:
    keep_in(cloud, settings, **wrong)
    assert words in refused()


def test_an_address_without_a_host_is_an_error(settings: Any, cloud: LoopbackCloudinary) -> None:
    keep_in(cloud, settings)
    settings.CLOUDINARY_DELIVERY_URL = "https://"
    assert "CLOUDINARY_DELIVERY_URL names no host." in refused()


@pytest.mark.parametrize("name", ["CLOUDINARY_UPLOAD_PREFIX", "CLOUDINARY_CLOUD_NAME"])
def test_half_of_the_settings_is_a_warning(settings: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "https://api-eu.cloudinary.com")
    assert f"{name}: without CLOUDINARY_URL" in said()


def test_a_wrong_provider_is_an_error(settings: Any) -> None:
    settings.IMAGE_PROVIDER = "dalle"
    assert "There is no provider called 'dalle'" in refused()
    use(settings, "gpu", Misconfigured)
    assert "COMFYUI_WORKFLOW: there is no file workflow.json." in refused()


def test_with_deploy_it_is_said_who_answers(settings: Any, cloud: LoopbackCloudinary) -> None:
    keep_in(cloud, settings)
    assert "Cloudinary answers and accepts the key." in said("--deploy", "--fail-level", "WARNING")
    assert not cloud.objects
    use(settings, "gpu", Away)
    cloud.answer_next(faults.drop())
    words = said("--deploy")
    assert "http://gpu.example:8188 does not answer." in words
    assert "Cloudinary could not be reached" in words


@pytest.mark.parametrize("wrong", [{"API_SECRET": "another"}, {"CLOUD_NAME": "elsewhere"}, {"API_KEY": "99"}])
def test_a_key_that_is_not_accepted_is_a_warning_with_deploy(
    settings: Any, cloud: LoopbackCloudinary, wrong: dict[str, str]
) -> None:
    keep_in(cloud, settings, **wrong)
    assert "does not accept the key" in said("--deploy")


def manage(data: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """A command of a process of its own, with these variables. Its exit status, and all it says."""
    process = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "STORYAPP_DATA": str(data), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return process.returncode, process.stdout


def test_the_variables_make_the_storage(tmp_path: Path, cloud: LoopbackCloudinary) -> None:
    variables = {**cloud.variables(), "HTTPS": "1"}
    status, words = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **variables)
    assert status == 0, words
    assert f"cloud loopback, account {sha256(KEY.encode()).hexdigest()[:8]}" in words
    assert "Cloudinary answers" in words
    assert KEY not in words
    assert SECRET not in words
    ours = "from django.conf import settings as s; print(s.MEDIA_STORAGE, s.CONTENT_SECURITY_POLICY['DIRECTIVES'])"
    assert f"'{cloud.url}'" in manage(tmp_path, "shell", "-v", "0", "-c", ours, **variables)[1]


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("check", f"cloudinary://[{KEY}"),
        ("migrate", f"https://{KEY}:{SECRET}@demo"),
        ("migrate", f"cloudinary://{KEY}@demo"),
    ],
)
def test_a_wrong_variable_stops_every_command_and_is_not_repeated(tmp_path: Path, command: str, wrong: str) -> None:
    status, words = manage(tmp_path, command, CLOUDINARY_URL=wrong)
    assert status != 0
    assert "CLOUDINARY_URL" in words
    assert "Traceback" not in words
    assert KEY not in words
    assert SECRET not in words
