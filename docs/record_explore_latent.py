"""Records ``docs/figures/explore-latent.gif``: ``python docs/record_explore_latent.py runs/vae_manifold/latent-2``.

The page of a VAE with two latents, in headless Chromium, while the pointer moves over the plane on a closed curve.
Needs Debian's packages chromium and chromium-driver, selenium, and Bokeh (the extra ``live``).
"""

import io
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from selenium import webdriver

ROOT = Path(__file__).parents[1]
FRAMES, MILLISECONDS = 48, 140
PORT = 5999
SIZE = 915, 580  # of the part of the page that is recorded, in pixels
WIDTH = 720  # of the animation
COLOURS = 200
READY = "return Boolean(window.Bokeh?.documents?.[0]?.is_idle)"
FRAME = """
    const view = Bokeh.index.find_one_by_id(Bokeh.documents[0].get_model_by_name('plane').id)
    const {left, top} = view.el.getBoundingClientRect(), {left: x, top: y, width, height} = view.frame.bbox
    return [left + x, top + y, width, height]"""


def main() -> None:
    """Start the page, record it, write the animation."""
    command = [sys.executable, ROOT / "examples" / "explore_latent.py", sys.argv[1], "--port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with tempfile.TemporaryDirectory() as profile:
        try:
            if not any("http" in line for line in server.stdout):
                sys.exit("the page did not start")
            options = webdriver.ChromeOptions()
            options.binary_location = shutil.which("chromium")
            for each in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
                options.add_argument(each)
            service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
            browser = webdriver.Chrome(options=options, service=service)
            frames = record(browser)
            browser.quit()
        finally:
            server.terminate()
    path = ROOT / "docs" / "figures" / "explore-latent.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, optimize=True)


def record(browser: webdriver.Chrome) -> list[Image.Image]:
    """The frames of the animation."""
    browser.set_window_size(1300, 900)
    browser.get(f"http://127.0.0.1:{PORT}/")
    while not browser.execute_script(READY):
        time.sleep(0.1)
    left, top, width, height = browser.execute_script(FRAME)
    frames = []
    for angle in np.linspace(0, 2 * np.pi, FRAMES, endpoint=False):
        x = left + width * (0.5 + 0.27 * np.cos(angle))
        y = top + height * (0.47 - 0.25 * np.sin(2 * angle))
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
        time.sleep(0.3)
        screen = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB").crop((0, 20, *SIZE))
        small = screen.resize((WIDTH, round(WIDTH * screen.height / screen.width)), Image.Resampling.LANCZOS)
        frames.append(small)
    palette = frames[0].quantize(COLOURS)  # one for all, so that what does not change is stored once
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


if __name__ == "__main__":
    main()
