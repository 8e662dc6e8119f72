"""One prompt's way through one server: looked for, submitted, waited for; lost, and submitted again.

The same key gives the same prompt id and the same prefix, so that whoever comes after a death finds what the first
one submitted. ComfyUI keeps queue and history in memory only: what is in neither is lost and is submitted again.
"""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

from generation.providers.base import ImageRequest
from generation.providers.comfyui.server import PROVIDER, Server
from generation.providers.comfyui.workflow import Workflow
from generation.providers.exceptions import InvalidResponse, ProviderUnavailable, RateLimited, ServerGone

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
# The queue's bodies hold whole graphs: it is asked first after a second, then ever more rarely.
FIRST_LOOK, LONGEST_LOOK = 1.0, 15.0
PROBE_SECONDS = 5.0
FAREWELL_SECONDS = 2.0

log = logging.getLogger(__name__)


class Run:
    """`graph` is to be submitted; `before_submitting` may raise what speaks against it.

    `ends` is the monotonic moment until which the call may go on: the request's deadline as long as the prompt
    waits in the server's queue, `call_seconds` from the moment it is seen to run.
    """

    def __init__(
        self,
        server: Server,
        request: ImageRequest,
        workflow: Workflow,
        *,
        prompt: str,
        gone_after: float,
        before_submitting: Callable[[], None],
    ) -> None:
        self.id = str(request.key)
        self.ends = request.deadline
        self._server = server
        self._request = request
        self._workflow = workflow
        self._graph = workflow.filled(
            prompt=prompt, seed=request.seed, width=request.width, height=request.height, prefix=f"storyapp/{self.id}"
        )
        self._gone_after = gone_after
        self._before_submitting = before_submitting
        self._is_to_submit = request.is_new
        self._is_running = False
        self._submitted_at = time.monotonic()
        self._look_at = 0.0
        self._pause = FIRST_PAUSE

    def finish(self) -> Mapping[str, object]:
        """The history's entry of the prompt, once it has ended, well or not.

        Raises ServerGone where the server has not answered for `gone_after` seconds, or does not answer a new request
        at all; InvalidResponse where the prompt ran for too long and was stopped; RateLimited where it still waits in
        the server's queue, which it then keeps its place in; and whatever the server says against the submission.
        """
        if self._request.is_new and not self._server.answers(deadline=self._within(PROBE_SECONDS)):
            # Nothing has been submitted: there is nothing to wait for here.
            raise ServerGone(f"The ComfyUI server {self._server.url} does not answer.", provider=PROVIDER)
        while (entry := self._step()) is None:
            self._wait()
        return entry

    def _step(self) -> Mapping[str, object] | None:
        if self._is_to_submit:
            self._submit()
            return None
        try:
            return self._server.history(self.id, deadline=self.ends) or self._look_at_queue()
        except RateLimited:
            raise
        except ProviderUnavailable:
            self._outlast()
            return None

    def _submit(self) -> None:
        self._is_to_submit = False
        try:
            self._before_submitting()
            answer = self._server.submit(self.id, self._graph, deadline=self.ends)
        except RateLimited:
            raise
        except ProviderUnavailable:
            # Whether the prompt was taken is not known: history and queue will tell.
            self._outlast()
            return
        if left_out := self._server.refused(answer, self._workflow):
            log.warning("comfyui.outputs_left_out", extra={"server": self._server.url, "reason": left_out})
        self._submitted_at = time.monotonic()
        self._look_at = self._submitted_at + FIRST_LOOK
        self._is_running = False
        self.ends = self._request.deadline
        self._pause = FIRST_PAUSE

    def _look_at_queue(self) -> Mapping[str, object] | None:
        now = time.monotonic()
        if now < self._look_at:
            return None
        self._look_at = now + min(LONGEST_LOOK, max(FIRST_LOOK, (now - self._submitted_at) / 4))
        queue = self._server.queue(deadline=self.ends)
        if self.id in queue.running:
            self._begin_clock()
        elif self.id not in queue.pending:
            # It may have ended between the two questions.
            entry = self._server.history(self.id, deadline=self.ends)
            self._is_to_submit = entry is None
            return entry
        return None

    def _begin_clock(self) -> None:
        if not self._is_running:
            self._is_running = True
            self.ends = self._within(self._request.call_seconds)

    def _outlast(self) -> None:
        """Until the server answers again; what became of the prompt is looked up at once then."""
        gone = time.monotonic() + self._gone_after
        pause = FIRST_PAUSE
        while not self._server.answers(deadline=self._within(PROBE_SECONDS)):
            self._check_cancelled()
            if time.monotonic() >= self.ends:
                self._give_up()
            if time.monotonic() >= gone:
                message = f"The ComfyUI server {self._server.url} has not answered for {self._gone_after:g} seconds."
                raise ServerGone(message, provider=PROVIDER)
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
        self._look_at = 0.0

    def _wait(self) -> None:
        self._check_cancelled()
        left = self.ends - time.monotonic()
        if left <= 0:
            self._give_up()
        time.sleep(min(self._pause, left))
        self._pause = min(LONGEST_PAUSE, self._pause * 1.3)

    def _check_cancelled(self) -> None:
        """Out of the queue with what nobody here wants any more. What runs goes on: somebody else may have taken
        the scene over, who waits for it under the same id, and submits again what has left the queue."""
        if not self._request.cancelled():
            return
        with suppress(ProviderUnavailable):
            self._server.delete(self.id, deadline=time.monotonic() + FAREWELL_SECONDS)
        raise ProviderUnavailable("The picture is no longer wanted.", provider=PROVIDER)

    def _give_up(self) -> NoReturn:
        """What runs is stopped, what waits stays in the queue: the next claim asks for it there."""
        farewell = time.monotonic() + FAREWELL_SECONDS
        queue = self._server.queue(deadline=farewell)
        if self.id in queue.running:
            self._server.interrupt(self.id, deadline=farewell)
            # An answer, not a silence: under this id there will be no picture, and the next try wants another.
            raise InvalidResponse("ComfyUI did not finish the picture in time, and was stopped.", provider=PROVIDER)
        if self.id in queue.pending:
            raise RateLimited("The ComfyUI server is busy with other pictures.", provider=PROVIDER)
        raise ProviderUnavailable("The ComfyUI server did not answer in time.", provider=PROVIDER)

    def _within(self, seconds: float) -> float:
        return min(self._request.deadline, time.monotonic() + seconds)
