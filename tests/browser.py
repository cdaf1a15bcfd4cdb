"""A real browser without network, driven over its debugging protocol.

    python -m tests.browser reports/index.html page.png --width 1200 --height 1400 --dark

makes a picture of a page.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",  # which root has no right to
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no network
    "--remote-debugging-pipe",
]


class Tab:
    """One page. ``console`` holds its errors and warnings, ``requests`` every URL that it asked for but data within it."""

    def __init__(self, commands: int, answers: int):
        self._commands, self._answers = commands, answers
        self._buffer, self._count, self._session = b"", 0, None
        self.console: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params) -> dict:
        """The answer to one command of the protocol; what happens meanwhile is noted."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def open(self, path: Path, width: int = 1200, height: int = 900, *, media: str = "", dark: bool = False):
        """Load ``path`` and wait until its charts are drawn."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )  # fmt: skip
        self.emulate(media, dark=dark)
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait("document.readyState === 'complete' && document.querySelectorAll('.chart').length > 0")
        self.wait("[...document.querySelectorAll('.chart')].every((place) => place.childNodes.length)")

    def emulate(self, media: str = "", *, dark: bool = False) -> None:
        """``media``: print or nothing."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def run(self, script: str):
        """The value of a JavaScript expression; a promise is awaited."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until the expression is true in the page, looked at before every frame; at most 60 s."""
        self.run(
            f"new Promise((yes, no) => {{ const end = Date.now() + 60000; const look = () => {{"
            f" if ({condition}) yes(); else if (Date.now() > end) no(new Error('never: ' + {json.dumps(condition)}));"
            " else setTimeout(look, 20); }; look(); })"
        )

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of what is in view, or of the ``whole`` page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self, path: Path) -> None:
        """The page as PDF, A4."""
        data = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.7, preferCSSPageSize=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _next(self) -> dict:
        while b"\0" not in self._buffer:
            data = os.read(self._answers, 1 << 20)
            assert data, "the browser has gone"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        answer = json.loads(text)
        params = answer.get("params", {})
        match answer.get("method"):
            case "Runtime.exceptionThrown":
                self.console.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.console.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.console.append(params["entry"]["text"])
            case "Network.requestWillBeSent" if not params["request"]["url"].startswith("data:"):
                self.requests.append(params["request"]["url"])
        return answer


@contextmanager
def tab() -> Iterator[Tab]:
    """A fresh browser with one empty page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        for_browser, commands = os.pipe()
        answers, from_browser = os.pipe()

        def connect() -> None:  # the protocol's ends are file descriptors 3 and 4
            read, written = os.dup(for_browser), os.dup(from_browser)
            os.dup2(read, 3)
            os.dup2(written, 4)

        process = subprocess.Popen(
            [BROWSER, *FLAGS, f"--user-data-dir={home}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=connect,
        )
        os.close(for_browser)
        os.close(from_browser)
        try:
            yield Tab(commands, answers)
        finally:
            process.kill()
            process.wait()
            os.close(commands)
            os.close(answers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser", description="A picture of a page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=1400)
    parser.add_argument("--at", default="", help="id of the section to scroll to")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--whole", action="store_true", help="the whole page, not what is in view")
    given = parser.parse_args()
    with tab() as page:
        page.open(given.page, given.width, given.height, dark=given.dark)
        if given.at:
            page.run(f"document.getElementById({json.dumps(given.at)}).scrollIntoView()")
        page.picture(given.picture, whole=given.whole)
        print("\n".join([f"{given.picture}", *page.console]))


if __name__ == "__main__":
    main()
