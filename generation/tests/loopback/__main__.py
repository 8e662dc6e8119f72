"""`python -m generation.tests.loopback pollinations --port 9001 --delay 2`: a vendor to try storyapp on for nothing."""

import signal
import sys
from argparse import ArgumentParser

from generation.tests.loopback.cloudinary import LoopbackCloudinary
from generation.tests.loopback.comfyui import LoopbackComfyUI
from generation.tests.loopback.pollinations import LoopbackPollinations
from generation.tests.loopback.server import LoopbackServer

SERVERS: tuple[type[LoopbackServer], ...] = (LoopbackCloudinary, LoopbackComfyUI, LoopbackPollinations)


def main(arguments: list[str]) -> None:
    """Prints the address and what to set, and answers until it is interrupted."""
    options = vars(_parser().parse_args(arguments))
    server_class: type[LoopbackServer] = options.pop("server")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with server_class(**options) as server:
        print(f"{server.name} answers at {server.url}. In .env or the environment:", flush=True)  # noqa: T201
        for name, value in server.variables().items():
            print(f"{name}={value}", flush=True)  # noqa: T201
        try:
            signal.pause()
        except KeyboardInterrupt:
            print(f"{len(server.requests)} requests.")  # noqa: T201


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m generation.tests.loopback", description=__doc__)
    vendors = parser.add_subparsers(required=True, metavar="|".join(server.name for server in SERVERS))
    for server in SERVERS:
        vendor = vendors.add_parser(server.name)
        vendor.add_argument("--port", type=int, default=0, help="default: a free one")
        vendor.add_argument("--delay", type=float, default=0.0, help="seconds for one picture")
        vendor.set_defaults(server=server)
        server.add_arguments(vendor)
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
