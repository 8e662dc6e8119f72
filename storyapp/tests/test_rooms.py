"""The import rules hold, and a breach of each of them is seen."""

from pathlib import Path

import pytest

from storyapp.tests.rooms import of_the_project, violations

ROOT = Path(__file__).resolve().parents[2]


def test_the_rooms_keep_to_their_rules() -> None:
    assert violations(*of_the_project(ROOT)) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("gallery/views.py", "from generation.models import GenerationJob"),
        ("gallery/views.py", "def view():\n    import generation.tasks"),
        ("gallery/tests/test_story.py", "from generation import models"),
        ("accounts/models.py", "import gallery.models"),
        ("accounts/views.py", "from generation import tasks"),
        ("generation/views.py", "from storyapp import urls"),
        ("generation/models.py", "from generation import engine"),
        ("generation/models.py", "from .claim import claim"),
        ("generation/claim.py", "from generation.engine import work"),
        ("generation/engine.py", "from generation import tasks"),
        ("generation/engine.py", "from generation.forms import GenerateForm"),
        ("generation/tasks.py", "from generation.views import generate"),
        ("generation/views.py", "from generation.engine import work"),
        ("generation/api.py", "from generation import claim"),
        ("generation/providers/sketch/__init__.py", "from django.conf import settings"),
        ("generation/providers/http.py", "from generation.models import SceneGeneration"),
        ("generation/providers/http.py", "from gallery.models import Image"),
        ("generation/providers/__init__.py", "from django.db import models"),
        ("generation/providers/sketch/pen.py", "import numpy"),
        ("generation/views.py", "import django_rq"),
        ("gallery/archive.py", "from rq import Queue"),
        ("gallery/archive.py", "from concurrent.futures import ThreadPoolExecutor"),
        ("storyapp/storage.py", "from concurrent import futures\nfutures.ThreadPoolExecutor(2)"),
    ],
)
def test_a_planted_import_is_found(path: str, text: str) -> None:
    sources, templates = of_the_project(ROOT)
    planted = {**sources, path: f"{sources.get(path, '')}\n{text}\n"}
    assert set(violations(planted, templates)) > set(violations(sources, templates))


def test_a_way_round_is_found() -> None:
    sources, templates = of_the_project(ROOT)
    sources["generation/shortcut.py"] = "from generation import tasks\n"
    sources["generation/claim.py"] += "\nfrom generation import shortcut\n"
    way = "(generation.claim -> generation.shortcut -> generation.tasks)"
    assert f"generation.claim reaches generation.tasks {way}." in violations(sources, templates)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("gallery/_picture_card.html", "{% load generation %}"),
        ("gallery/_picture_card.html", "{% load static generation %}"),
        ("gallery/_picture_card.html", "{% load slots from generation %}"),
        ("gallery/_picture_card.html", "{% include 'generation/_slot.html' %}"),
        ("gallery/share.html", "{% load generation %}"),
        ("gallery/print_story.html", '{% include "generation/_slot.html" %}'),
    ],
)
def test_a_planted_template_tag_is_found(path: str, text: str) -> None:
    sources, templates = of_the_project(ROOT)
    sources["generation/templatetags/generation.py"] = ""
    assert set(violations(sources, {**templates, path: text})) > set(violations(sources, {**templates, path: ""}))


def test_a_page_may_compose_rooms() -> None:
    sources, templates = of_the_project(ROOT)
    sources["generation/templatetags/generation.py"] = ""
    composed = {**templates, "gallery/story.html": "{% load static generation %}", "_menu.html": "{% load static %}"}
    assert violations(sources, composed) == violations(sources, templates)
