"""What requests and answers look like. The requests work as they are, whoever sends them."""

from typing import Any

Json = dict[str, Any]

REQUESTS: dict[str, dict[str, Json]] = {
    "generate": {
        "scenes": {
            "summary": "A picture of each scene",
            "value": {
                "scenes": ["A fox looks at the first snow", "The fox crosses the frozen lake at night"],
                "width": 1216,
                "height": 832,
                "seed": 7,
            },
        },
        "prompt": {
            "summary": "Four pictures of one prompt",
            "value": {"prompt": "A lighthouse in the mist", "quantity": 4},
        },
    },
    "new_character": {
        "character": {
            "summary": "Somebody who appears in scenes",
            "value": {"name": "Mira", "appearance": "a girl of nine, red coat, black braids", "style": "watercolour"},
        }
    },
    "new_story": {
        "story": {
            "summary": "A story with two scenes",
            "value": {
                "title": "The fox who crossed the snow",
                "style": "A quiet picture book, soft grain",
                "scenes": ["A fox looks at the first snow", "The fox crosses the frozen lake at night"],
            },
        }
    },
}

IMAGE: Json = {
    "id": "5b1f7f0e-6d6c-4c36-8a52-0c4f6a1d9e11",
    "url": "http://localhost:8000/media/5b1f7f0e-6d6c-4c36-8a52-0c4f6a1d9e11/original",
    "prompt": "A fox looks at the first snow.",
    "width": 1216,
    "height": 832,
    "bytes": 182_044,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
SUMMARY: Json = {
    "id": "0d6c1b8e-5b0f-4a59-9a1c-54b1a5f0e3aa",
    "status": "running",
    "counts": {"total": 2, "queued": 1, "running": 0, "saved": 1, "failed": 0, "cancelled": 0},
    "created_at": "2026-01-24T18:00:00.120Z",
    "started_at": "2026-01-24T18:00:00.311Z",
    "finished_at": None,
}
SAVED: Json = {
    "id": "c2e5a8f4-9a4e-4d0b-8a5c-3a1d7c9b2f10",
    "position": 0,
    "prompt": "A fox looks at the first snow",
    "status": "saved",
    "phase": None,
    "attempt": 1,
    "error": None,
    "waiting_for": None,
    "waiting_until": None,
    "image": IMAGE,
    "seed": 7,
    "model": "flux",
    "provider": "pollinations",
    "variations_offered": 1,
    "bytes_received": 182_044,
}
WAITING: Json = {
    **SAVED,
    "id": "7f3a1c52-1f0d-4c4e-9b8e-6f2d0c5e4b21",
    "position": 1,
    "prompt": "The fox crosses the frozen lake at night",
    "status": "queued",
    "phase": "waiting",
    "waiting_for": "the provider: it is busy",
    "waiting_until": "2026-01-24T18:00:12.500Z",
    "image": None,
    "seed": 8,
    "model": "",
    "variations_offered": 0,
    "bytes_received": 0,
}
STOPPED: Json = {
    **WAITING,
    "status": "cancelled",
    "phase": None,
    "waiting_for": None,
    "waiting_until": None,
}
JOB: Json = {**SUMMARY, "scenes": [SAVED, WAITING]}
CANCELLED: Json = {
    **SUMMARY,
    "status": "cancelled",
    "counts": {"total": 2, "queued": 0, "running": 0, "saved": 1, "failed": 0, "cancelled": 1},
    "finished_at": "2026-01-24T18:00:09.002Z",
    "scenes": [SAVED, STOPPED],
}
CHARACTER: Json = {
    "slug": "mira-k3f9",
    "name": "Mira",
    "appearance": "a girl of nine, red coat, black braids",
    "style": "watercolour",
    "embedding": "",
    "embedding_weight": 1.0,
    "seed": None,
    "created_at": "2026-01-24T17:55:00.000Z",
}
STORY: Json = {
    "slug": "the-fox-who-crossed-the-snow-8x2m",
    "title": "The fox who crossed the snow",
    "style": "A quiet picture book, soft grain",
    "created_at": "2026-01-24T17:58:00.000Z",
}
SCENES: list[Json] = [
    {"id": "1d2b6a0e-93b5-4a8f-8f5a-2f9f4f0a7c01", "position": 0, "text": "A fox looks at the first snow"},
    {"id": "2e3c7b1f-04c6-4b90-9a6b-3a0a5a1b8d02", "position": 1, "text": "The fox crosses the frozen lake at night"},
]
PICTURE: Json = {
    **IMAGE,
    "scene": SCENES[0],
    "is_chosen": True,
    "seed": 7,
    "provider": "pollinations",
    "model": "flux",
    "created_at": "2026-01-24T18:00:07.345Z",
}


def _page(item: Json, address: str) -> Json:
    following = f"http://localhost:8000/api/{address}?limit=1&cursor=5b1f7f0e-6d6c-4c36-8a52-0c4f6a1d9e11"
    return {"items": [item], "next": following}


ANSWERS: dict[str, Json] = {
    "generate": JOB,
    "jobs": _page(SUMMARY, "image-generation/jobs"),
    "job": JOB,
    "cancel": CANCELLED,
    "retry": JOB,
    "characters": _page(CHARACTER, "characters"),
    "new_character": CHARACTER,
    "character": CHARACTER,
    "images_of_character": _page(PICTURE, "characters/mira-k3f9/images"),
    "stories": _page(STORY, "stories"),
    "new_story": {**STORY, "scenes": SCENES},
    "story": {**STORY, "scenes": SCENES},
    "images_of_story": _page(PICTURE, "stories/the-fox-who-crossed-the-snow-8x2m/images"),
}
