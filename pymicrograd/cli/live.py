"""`pymicrograd live`: the page of pymicrograd/web, served on this machine for this machine.

The page is static files and computes in the browser; the server only hands them out.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import sys
import webbrowser
from pathlib import Path
from typing import Any

from .commands import CommandError, Output, whole

__all__ = ["FOLDER", "PageServer", "add_live"]

FOLDER = Path(__file__).resolve().parent.parent / "web"
HOST = "127.0.0.1"


class PageHandler(http.server.SimpleHTTPRequestHandler):
    """Hand out files, and say nothing of it."""

    # Whatever this machine calls them: a browser runs no module of another type.
    extensions_map = {  # noqa: RUF012 (as the base class has it)
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".css": "text/css",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")  # else a browser keeps an older version's
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class PageServer(http.server.ThreadingHTTPServer):
    """A server of the page.

    Args:
        port: 0 for one that is free.

    Attributes:
        url: where the page is.

    Raises:
        OSError: another program has the port.
    """

    def __init__(self, port: int = 0) -> None:
        handler = functools.partial(PageHandler, directory=str(FOLDER))
        super().__init__((HOST, port), handler)
        self.url = f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave it unsaid when a browser goes before it has got its file."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def add_live(commands: Any) -> None:
    """Add the arguments of `pymicrograd live`."""
    live = commands.add_parser(
        "live",
        help="watch networks learn in the browser",
        description="Serve a page that trains a classifier of points and a GPT of names while you"
        " watch, on this machine alone, and open it in the browser. Ctrl-C ends it.",
    )
    text = "port to serve it on; 0 is one that is free [%(default)s]"
    live.add_argument("--port", type=whole(0, 65535), default="0", metavar="N", help=text)
    live.add_argument("--no-browser", action="store_true", help="only print the address")
    live.set_defaults(run=run_live)


def run_live(arguments: argparse.Namespace, output: Output) -> int:
    """Serve the page until Ctrl-C."""
    if not (FOLDER / "page.wasm").exists():
        raise CommandError("pymicrograd live", f"{FOLDER} has no page: web/build.sh builds it", 1)
    try:
        server = PageServer(arguments.port)
    except OSError as error:
        message = f"--port {arguments.port}: {error.strerror or error}"
        raise CommandError("pymicrograd live", message, 1) from error
    with server:
        output.line(f"{server.url} (Ctrl-C ends it)")
        output.flush()
        try:
            if not arguments.no_browser:
                webbrowser.open(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            output.line()
    return 0
