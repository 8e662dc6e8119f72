"""The `comfyui` provider: any workflow of one's own, on one server or several, the first variation only.

What ComfyUI does is known from the recordings of a real server (0.3.64) in `generation/tests/recordings/comfyui`.
"""

import logging
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from generation.providers.base import ImageProvider, ImageRequest, Variation
from generation.providers.comfyui.embeddings import KnownEmbeddings, with_embeddings
from generation.providers.comfyui.history import first_picture
from generation.providers.comfyui.run import Run
from generation.providers.comfyui.server import Server
from generation.providers.comfyui.workflow import Workflow, load_workflow
from generation.providers.exceptions import ProviderUnavailable, RequestRefused

GONE_AFTER = 30.0
# While a person waits for the answer to Generate.
CHECK_SECONDS = 3.0
MODEL_LENGTH = 120

log = logging.getLogger(__name__)


class ComfyUIProvider(ImageProvider):
    """`workflow` is the path of an API-format workflow, `servers` are all addresses that a claim may choose from.

    A server that has not answered for `gone_after` seconds is given up.
    """

    name: ClassVar[str] = "comfyui"

    def __init__(self, *, workflow: str = "", servers: Sequence[str] = (), gone_after: float = GONE_AFTER) -> None:
        self._path = workflow
        self._servers = [Server(url) for url in servers]
        self._gone_after = gone_after
        self._loaded: Workflow | None = None
        self._embeddings = KnownEmbeddings()

    def workflow(self) -> Workflow:
        """Read once. Raises ProviderConfigurationError with a sentence for whoever set it up."""
        if self._loaded is None:
            self._loaded = load_workflow(self._path)
        return self._loaded

    def check(self, request: ImageRequest) -> None:
        """Raises ProviderConfigurationError, too, where the workflow cannot be used.

        A server that does not answer says nothing against an embedding: a request during an outage is accepted,
        and is checked again just before it is submitted.
        """
        self.workflow()
        if request.references:
            raise RequestRefused("ComfyUI takes no reference pictures here.", provider=self.name)
        self._refuse_unwritable(request)
        for server in self._servers if request.embeddings else ():
            deadline = time.monotonic() + CHECK_SECONDS
            self._refuse(server, self._embeddings.known_to_be_missing(server, request.embeddings, deadline=deadline))

    def describe(self) -> str:
        """Its servers are its accounts, which are told beside it."""
        model = self.workflow().model
        return f"{self.name} with the workflow {self._path}" + (f" ({model})" if model else "")

    def probe(self, deadline: float) -> None:
        silent = [server.url for server in self._servers if not server.answers(deadline=deadline)]
        if silent:
            raise ProviderUnavailable(f"No ComfyUI server answers at {', '.join(silent)}.", provider=self.name)

    def first_variation(self, request: ImageRequest) -> Variation:
        """Submit the workflow, or go on with what was submitted under this key, and fetch one of its pictures."""
        server, workflow = Server(request.server), self.workflow()
        run = Run(
            server,
            request,
            workflow,
            prompt=with_embeddings(request.prompt, request.embeddings),
            gone_after=self._gone_after,
            before_submitting=partial(self._check_once_more, server, request),
        )
        image, offered = first_picture(run.finish(), workflow.save_nodes)
        answer = server.view(image, deadline=run.ends)
        log.info(
            "scene.first_variation",
            extra={"server": server.url, "prompt_id": run.id, "variations_offered": offered, "downloaded": 1},
        )
        return Variation(
            content=answer.content,
            content_type=answer.content_type,
            model=workflow.model[:MODEL_LENGTH] or self.name,
            offered=offered,
            bytes_received=answer.bytes_received,
            request_id=run.id,
        )

    def _check_once_more(self, server: Server, request: ImageRequest) -> None:
        if request.embeddings:
            self._refuse(server, self._embeddings.missing(server, request.embeddings, deadline=request.deadline))

    def _refuse(self, server: Server, missing: Sequence[str]) -> None:
        if missing:
            names = ", ".join(missing)
            raise RequestRefused(
                f"The ComfyUI server {server.url} has no embedding called {names}.", provider=self.name
            )

    def _refuse_unwritable(self, request: ImageRequest) -> None:
        """A prompt's own syntax would break such a name in two, and ComfyUI would say nothing."""
        for embedding in request.embeddings:
            if re.search(r"[\s()]", embedding.name):
                message = f"The embedding “{embedding.name}” cannot be written into a prompt: no blanks, no brackets."
                raise RequestRefused(message, provider=self.name)
