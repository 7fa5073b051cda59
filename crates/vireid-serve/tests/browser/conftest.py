"""What the tests of the page stand on: a service, a gallery of drawn figures, and a browser.

    crates/vireid-serve/check      # or, with what it has built and installed: VIREID_STAND_IN=.../drawn pytest tests/browser

The service is the one at the address VIREID_SERVICE, whose gallery must be empty and asks for no token; or the program
VIREID_STAND_IN, the example `drawn`, which prints its address; where neither is set, the one in the folder `target`.
The browser is /usr/bin/chromium, or what CHROMIUM names. Screenshots go to the folder VIREID_SCREENSHOTS, where it is set.
"""

import json
import os
import pathlib
import subprocess
import urllib.parse
import urllib.request
import uuid

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from figures import figure

DRAWN = pathlib.Path(__file__).parents[4] / "target/release/examples/drawn"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CAMERAS = {"visible": "hall", "infrared": "yard"}
PEOPLE = 4


class Service:
    """A service at an address, and what tests do with it past the page."""

    def __init__(self, address, process=None):
        self.address = address.rstrip("/")
        self.process = process

    def call(self, method, path, body=None, kind="application/json"):
        address = f"{self.address}/api/v1/{path}"
        request = urllib.request.Request(address, data=body, method=method, headers={"content-type": kind})
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read())

    def add(self, image, **fields):
        edge = uuid.uuid4().hex
        begin = f"--{edge}\r\ncontent-disposition: form-data; name="
        parts = [f'{begin}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
        parts.append(f'{begin}"image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n')
        body = "".join(parts).encode() + image + f"\r\n--{edge}--\r\n".encode()
        return self.call("POST", "crops", body, f"multipart/form-data; boundary={edge}")

    def fill(self):
        """Two crops of each modality for each of some people who are drawn."""
        for person in range(PEOPLE):
            for modality, camera in CAMERAS.items():
                for sight in range(2):
                    self.add(
                        figure(person, modality, sight),
                        id=f"{modality}-{person}-{sight}",
                        modality=modality,
                        camera=camera,
                        time=f"2026-03-0{person + 1}T1{sight}:30:00Z",
                        metadata=json.dumps({"sight": sight, "walk": "north"}),
                    )

    def ids(self):
        return {entry["id"] for entry in self.call("GET", "crops?limit=1000")["entries"]}

    def empty(self):
        for id in self.ids():
            self.call("DELETE", f"crops/{urllib.parse.quote(id, safe='')}")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process.stdout.close()


def started(*flags):
    program = os.environ.get("VIREID_STAND_IN", DRAWN)
    process = subprocess.Popen([program, *flags], stdout=subprocess.PIPE, text=True)
    return Service(process.stdout.readline().strip(), process)


@pytest.fixture
def start():
    """Starts services with flags of their own; a test that needs it is left out where a service is running already."""
    if "VIREID_SERVICE" in os.environ:
        pytest.skip("needs a service that it can start")
    services = []

    def begin(*flags):
        services.append(started(*flags))
        return services[-1]

    yield begin
    for service in services:
        service.stop()


@pytest.fixture(scope="session")
def running():
    given = os.environ.get("VIREID_SERVICE")
    service = Service(given) if given else started()
    if service.ids():
        pytest.exit("the gallery behind VIREID_SERVICE is not empty; these tests would change it")
    yield service
    service.stop()


@pytest.fixture
def service(running):
    """A service with an empty gallery."""
    yield running
    running.empty()


@pytest.fixture
def filled(service):
    """A service with figures in its gallery."""
    service.fill()
    return service


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page of which every message and error is kept."""

    def __init__(self, page):
        self.page = page
        self.heard = []
        self.refusals_expected = False
        page.on("console", lambda message: self.heard.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.heard.append(f"error: {error}"))

    def unexpected(self):
        # The browser itself notes each refused request.
        noted = "error: Failed to load resource"
        return [text for text in self.heard if not (self.refusals_expected and text.startswith(noted))]

    def assert_accessible(self):
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()

    def assert_fits(self):
        """Nothing is wider than the window."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{wide} pixels too wide"

    def picture(self, name, whole=True):
        folder = os.environ.get("VIREID_SCREENSHOTS")
        if folder:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{folder}/{name}.png", full_page=whole)


@pytest.fixture
def open_page(browser):
    """Opens the page of a service: `open_page(service, "#people", width=320, scheme="dark")`. No message may come."""
    opened = []

    def begin(service, view="", width=1280, height=900, scheme="light", touch=False):
        settings = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "has_touch": touch}
        context = browser.new_context(**settings, locale="en-GB", timezone_id="Europe/Berlin")
        context.set_default_timeout(10_000)
        watched = Watched(context.new_page())
        opened.append((context, watched))
        watched.page.goto(f"{service.address}/{view}")
        return watched

    yield begin
    for context, watched in opened:
        context.close()
        assert watched.unexpected() == []
