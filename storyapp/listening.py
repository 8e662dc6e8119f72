"""Where the web server listens, and what of that a person is shown."""

import errno
import socket
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from storyapp.cannot_start import CannotStart

# "Everywhere" is nothing that a browser can open.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @property
    def shown_host(self) -> str:
        host = EVERYWHERE.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host

    @property
    def shown(self) -> str:
        return f"http://{self.shown_host}:{self.port}"

    def answers(self) -> bool:
        """Whether anything speaks HTTP there; what it says does not matter."""
        connection = HTTPConnection(EVERYWHERE.get(self.host, self.host), self.port, timeout=2)
        try:
            connection.request("HEAD", "/healthz")
            connection.getresponse()
        except (OSError, HTTPException):
            return False
        else:
            return True
        finally:
            connection.close()


def free_address(host: str, port: int) -> Address:
    """The address, tried. Port 0 becomes any free one. Raises CannotStart where nobody could listen there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        # What uvicorn sets too: connections of an earlier run may still be fading away on the port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as exc:
            raise CannotStart(_why_not(exc, host, port)) from exc
        return Address(host, trial.getsockname()[1])


def _why_not(exc: OSError, host: str, port: int) -> str:
    if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
        return f"--host: this machine has no address {host}."
    if exc.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program. Choose another: ./run --port {port + 1}"
    if exc.errno == errno.EACCES:
        return f"Port {port} needs more rights than you have. Choose one from 1024 on: ./run --port 8000"
    return f"Nothing can listen on {host}:{port}: {exc.strerror}."
