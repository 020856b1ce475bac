"""Takes the picture of a report that the documentation shows: ``python docs/screenshot.py REPORT.html PICTURE.png``."""

from __future__ import annotations

import base64
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver

WIDTH, HEIGHT = 1280, 1720
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
COLORS = 256
"""A picture of 24 bits would take 1 MB."""


def main(report: Path, picture: Path) -> None:
    """The top of a report: headline, verdict and first pictures."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={WIDTH},{HEIGHT}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            browser.get(report.absolute().as_uri())
            area = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": 1}
            taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": area, "captureBeyondViewport": True})
        finally:
            browser.quit()
    with Image.open(io.BytesIO(base64.b64decode(taken["data"]))) as shown:
        shown.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
