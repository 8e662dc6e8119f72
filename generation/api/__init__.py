"""The HTTP API, for programs: JSON, with a bearer token in place of a session."""

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.security.http import HttpAuthBase

from accounts.bearer import bearer
from accounts.models import User
from generation.api import jobs, library
from generation.api.errors import tell_errors

DESCRIPTION = """
Tell a story in pictures: one picture a scene, all of them at once.

Send a token with every request: `Authorization: Bearer TOKEN`. Tokens are made on the page [API tokens](/tokens/), or
by `manage.py create_token USER`. The addresses of pictures take the same token.

Have pictures made with `generate`, then poll the job's address with `If-None-Match` until its `status` is neither
`queued` nor `running`. Lists come a page at a time: follow `next` until it is null. Times are RFC 3339 in UTC.

An error is `{"error": {"code", "message", "fields"}}`; `fields` is there where something that was sent is wrong, and
says of each such field what. A field that is not known is refused, too, so that slips of the pen are told.
"""


class BearerToken(HttpAuthBase):
    """ninja's own HttpBearer writes what it does not understand of the header into the log."""

    openapi_scheme = "bearer"
    openapi_description = "Made on the page API tokens, or by `manage.py create_token USER`."

    def __call__(self, request: HttpRequest) -> User | None:
        return bearer(request)


api = NinjaAPI(
    title="storyapp",
    version="1",
    description=DESCRIPTION.strip(),
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    auth=BearerToken(),
)
tell_errors(api)
api.add_router("/image-generation", jobs.router)
api.add_router("/characters", library.characters)
api.add_router("/stories", library.stories)
