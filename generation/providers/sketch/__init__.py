"""The `sketch` provider: pictures of a minimalist picture book, drawn here, without a network or a model."""

import io
from typing import ClassVar

from generation.providers.base import ImageProvider, ImageRequest, Variation

from .picture import paint
from .reading import read

QUALITY = 88


class SketchProvider(ImageProvider):
    """The words of the prompt choose place, hour and figures; the seed arranges them.

    The same request gives the same bytes. A character looks the same for every seed and in every scene.
    """

    name: ClassVar[str] = "sketch"

    def first_variation(self, request: ImageRequest) -> Variation:
        """Draw the one picture. Raises ProviderUnavailable when the deadline passes before it is finished."""
        picture = paint(
            read(request.prompt, request.cast),
            prompt=request.prompt,
            seed=request.seed,
            size=(request.width, request.height),
            deadline=request.deadline,
        )
        body = io.BytesIO()
        picture.save(body, "JPEG", quality=QUALITY)
        content = body.getvalue()
        return Variation(content=content, content_type="image/jpeg", model="sketch-1", bytes_received=len(content))
