"""A headless Chromium that is told what to do through two pipes; it needs no other package.

Run as a script it prints the lines of the demo that the page trains there.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE = 60.0  # seconds


class Browser:
    """One page of a Chromium of its own; what goes wrong in it is in `complaints`."""

    def __init__(self, *flags: str) -> None:
        assert CHROMIUM is not None
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        told, self.tell = os.pipe()
        self.hear, heard = os.pipe()

        def pipes() -> None:  # the browser reads from 3 and writes to 4
            ends = os.dup(told), os.dup(heard)
            for end, number in zip(ends, (3, 4), strict=True):
                os.dup2(end, number)

        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        arguments += [f"--user-data-dir={self.folder.name}", "--no-first-run", *flags]
        self.process = subprocess.Popen(
            [CHROMIUM, *arguments],
            close_fds=False,
            preexec_fn=pipes,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(told)
        os.close(heard)
        self.buffer, self.count, self.session = b"", 0, ""
        self.complaints: list[str] = []
        self.loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *reason: object) -> None:
        os.close(self.tell)
        os.close(self.hear)
        os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: it and its children
        self.process.wait()
        self.folder.cleanup()

    def receive(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            part = os.read(self.hear, 1 << 16)
            assert part, "the browser has ended"
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        self.note(found)
        return found

    def note(self, message: dict[str, Any]) -> None:
        """Remember what a page complains of."""
        what, about = message.get("method"), message.get("params", {})
        if what == "Runtime.exceptionThrown":
            detail = about["exceptionDetails"]
            self.complaints.append(detail.get("exception", {}).get("description", detail["text"]))
        elif what == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.complaints.append(str([x.get("value") for x in about["args"]]))
        elif what == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif what == "Page.loadEventFired":
            self.loaded = True

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": arguments}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.tell, json.dumps(message).encode() + b"\0")
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            answer = self.receive()
            if answer.get("id") == self.count:
                assert "error" not in answer, (method, answer)
                result: dict[str, Any] = answer["result"]
                return result
        raise AssertionError(f"{method}: no answer")

    def open(self, url: str) -> None:
        """Go to a page and wait until it says that it is ready."""
        self.loaded = False
        self.call("Page.navigate", url=url)
        while not self.loaded:
            self.receive()
        self.run(
            """new Promise((done, fail) => {
                const look = () => document.body.dataset.ready ? done(true)
                    : document.getElementById("failure")?.hidden === false ? fail("failed")
                    : requestAnimationFrame(look);
                look();
            })"""
        )

    def run(self, source: str) -> Any:
        """Evaluate JavaScript and return its value, or what it promises."""
        answer = self.call(
            "Runtime.evaluate", expression=source, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Set the size of the window and the theme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Write a picture of the page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def mouse(self, kind: str, x: float, y: float, button: str = "left") -> None:
        """Press, move or release the mouse: kind is Pressed, Moved or Released."""
        self.call(
            "Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button=button,
            buttons=1 if button == "left" else 2, clickCount=1,
        )  # fmt: skip

    def touch(self, *places: tuple[float, float]) -> None:
        """Put a finger down, take it along places, and lift it."""
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        for i, (x, y) in enumerate(places):
            kind = "touchMove" if i else "touchStart"
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.call("Emulation.setTouchEmulationEnabled", enabled=False)

    def key(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)


def print_the_demo() -> None:
    """Print the lines of the demo, as the page's button has trained it."""
    import threading

    from pymicrograd.cli.live import PageServer

    with PageServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with Browser() as page:
            page.open(server.url)
            page.run("document.getElementById('verify').click()")
            print(page.run("document.getElementById('demo-lines').textContent"), end="")
        server.shutdown()


if __name__ == "__main__":
    print_the_demo()
