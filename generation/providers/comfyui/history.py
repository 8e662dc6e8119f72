"""What an entry of ComfyUI's history says of a prompt that has ended. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from generation.providers.comfyui.server import PROVIDER, StoredImage
from generation.providers.exceptions import InvalidResponse
from generation.providers.http import plain_words


def first_picture(entry: Mapping[str, object], save_nodes: Sequence[str]) -> tuple[StoredImage, int]:
    """The picture to fetch, and how many the run offers: every stored one, previews and texts not counted.

    It is the first listed one of the first save node that has any, else of any node; `outputs` itself comes in no
    particular order. Raises InvalidResponse, with the server's own reason, where the run did not succeed: such a
    run can list pictures, too.
    """
    _check_success(entry)
    outputs = entry.get("outputs")
    stored = {
        node: images
        for node, output in (outputs.items() if isinstance(outputs, dict) else ())
        if (images := list(_stored_images(output)))
    }
    for node in (*save_nodes, *stored):
        if node in stored:
            return stored[node][0], sum(map(len, stored.values()))
    raise InvalidResponse("ComfyUI ended without a picture.", provider=PROVIDER)


def _check_success(entry: Mapping[str, object]) -> None:
    """A `status` of null is known from imported histories: there the outputs alone tell."""
    status = entry.get("status")
    if not isinstance(status, dict) or status.get("status_str") in ("success", None):
        return
    messages = status.get("messages")
    events = {
        message[0]: message[1]
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, list) and len(message) == 2 and isinstance(message[1], dict)
    }
    raise InvalidResponse(_reason(events), provider=PROVIDER)


def _reason(events: Mapping[str, Mapping[str, object]]) -> str:
    if "execution_interrupted" in events:
        return "The picture was interrupted on the ComfyUI server."
    error = events.get("execution_error")
    if error is None:
        return "ComfyUI could not make the picture, and gives no reason."
    # Only the first line: folders of the server follow.
    said = str(error.get("exception_message", "")).strip().partition("\n")[0].strip(" *")
    reason = plain_words(said) or plain_words(str(error.get("exception_type", "")))
    return f"ComfyUI could not make the picture: node {error.get('node_id')} ({error.get('node_type')}): {reason}"


def _stored_images(output: object) -> Iterator[StoredImage]:
    images = output.get("images") if isinstance(output, dict) else None
    for image in images if isinstance(images, list) else []:
        if isinstance(image, dict) and image.get("type") == "output" and isinstance(image.get("filename"), str):
            yield StoredImage(image["filename"], str(image.get("subfolder") or ""), "output")
