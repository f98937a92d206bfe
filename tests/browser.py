"""A headless Chromium that is told what to do through two pipes; it needs no other package.

Run as a script it prints the lines of the demo that the page trains there; with the argument
`measure`, how long the page takes for what it does, as the table of web/README.md.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def page_of(*scripts: str) -> Iterator[Browser]:
    """Serve the page and open it in a browser of its own, with scripts that run before its own."""
    from pymicrograd.cli.live import PageServer

    with PageServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            with Browser() as page:
                page.size(1200, 900)
                page.call("Performance.enable", timeDomain="threadTicks")
                for script in scripts:
                    page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
                page.open(server.url)
                yield page
        finally:
            server.shutdown()


def print_the_demo() -> None:
    """Print the lines of the demo, as the page's button has trained it."""
    with page_of() as page:
        page.run("document.getElementById('verify').click()")
        print(page.run("document.getElementById('demo-lines').textContent"), end="")


# ---- measuring ---------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parent.parent
TURNS = 9
LEARNING = 5.0  # seconds
# Makes the first step as soon as the page is ready; times are counted from the request.
FIRST_STEP = """new MutationObserver((_, observer) => {
    observer.disconnect();
    page.tabs.points.player.once();
    window.firstStep = performance.now() / 1000;
}).observe(document, { subtree: true, attributeFilter: ["data-ready"] })"""
LEARN = """new Promise((done) => {
    const { player, classifier } = page.tabs.points;
    player.speed.value = 3;
    player.play(true);
    const [began, frames, steps] = [performance.now(), player.frames, classifier.steps];
    setTimeout(() => {
        player.play(false);
        const seconds = (performance.now() - began) / 1000;
        done([(player.frames - frames) / seconds, (classifier.steps - steps) / seconds]);
    }, %d);
})"""
PARTS = """(() => {
    const { player, classifier } = page.tabs.points;
    document.getElementById("tab-names").click();
    const { speller } = page.tabs.names;
    const mean = (count, work) => {
        const began = performance.now();
        for (let i = 0; i < count; i++) work();
        return (performance.now() - began) / count;
    };
    const step = () => classifier.step();
    player.again();
    const calls = mean(9, step);
    mean(11, step); // one of these makes the program
    return [
        calls,
        mean(80, step),
        mean(5, () => (classifier.surface(-2.4, 2.4, 2.4, -2.4, 50), classifier.lines())),
        mean(20, () => speller.step()),
    ];
})()"""


def processor_time(page: Browser) -> float:
    """Return the seconds that the page's thread has worked."""
    metrics = page.call("Performance.getMetrics")["metrics"]
    return next(float(x["value"]) for x in metrics if x["name"] == "TaskDuration")


def native_demo(folder: Path) -> Path:
    """Compile csrc/demo.c with the engine of numbers, which the page has, too."""
    lines = (ROOT / "csrc" / "flags.txt").read_text().splitlines()
    flags = ["-O3", *" ".join(line.split("#")[0] for line in lines).split(), "-std=gnu11"]
    made = subprocess.run(
        ["make", "-s", "-C", "csrc", "list-scalars"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    sources = [*made.stdout.split(), "demo.c"]
    defines = ["-DMG_SCALARS_ONLY", "-DMG_NO_THREADS", '-DMG_VERSION=""', '-DMG_FLAGS=""']
    program = folder / "demo"
    command = ["gcc", *flags, *defines, "-I.", *sources, "-o", str(program), "-lm"]
    subprocess.run(command, cwd=ROOT / "csrc", check=True)
    return program


def time_of_native(program: Path) -> float:
    """Return the processor's seconds of a run of the demo in portable math."""
    process = subprocess.Popen([program, "portable"], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def measure_starts() -> tuple[float, float]:
    """Return the seconds to the first step, and of them those in which the thread works."""
    found = []
    for _ in range(TURNS):
        with page_of(FIRST_STEP) as page:
            found.append((page.run("window.firstStep"), processor_time(page)))
    return min(wall for wall, _ in found), min(used for _, used in found)


def measure() -> None:
    """Print how long the page takes: contestants take turns, minima."""
    wall, used = measure_starts()
    native, here, parts = [], [], []
    with tempfile.TemporaryDirectory() as folder, page_of() as page:
        program = native_demo(Path(folder))
        frames, steps = page.run(LEARN % (1000 * LEARNING))
        for _ in range(TURNS):
            native.append(time_of_native(program))
            before = processor_time(page)
            page.run("page.engine.demo()")
            here.append(processor_time(page) - before)
            parts.append(page.run(PARTS))
    calls, by_program, surface, gpt = map(min, zip(*parts, strict=True))
    rows = {
        "what": "time",
        "---": "---",
        "100 steps of the demo, processor's time: native C; the page": (
            f"{1e3 * min(native):.0f} ms; {1e3 * min(here):.0f} ms"
        ),
        "the same, the first time in the page": f"{1e3 * here[0]:.0f} ms",
        "a step: call by call; by a program": f"{calls:.2f} ms; {by_program:.2f} ms",
        "from the request to the first step; of it the page's thread works for": (
            f"{wall:.2f} s; {used:.2f} s"
        ),
        "frames a second while it learns; steps a second then": f"{frames:.0f}; {steps:.0f}",
        "the surface, 50 x 50 points and 16 neurons' lines": f"{surface:.1f} ms",
        "a step of the GPT": f"{gpt:.1f} ms",
    }
    for what, time_taken in rows.items():
        print(f"| {what} | {time_taken} |")


if __name__ == "__main__":
    {(): print_the_demo, ("measure",): measure}[tuple(sys.argv[1:])]()
