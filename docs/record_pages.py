"""Record the animations of the live pages in headless Chromium, in docs/figures.

    python docs/record_pages.py live_gan                                           live-gan.gif
    python docs/record_pages.py explore_latent runs/vae_manifold/latent-2          explore-latent.gif

The page of the GAN: the non-saturating game on the ring, then another data set, then data drawn with the mouse. The
page of a VAE with two latents: the pointer moves over the plane on a closed curve. Needs Debian's packages chromium and
chromium-driver and the extra ``dev``.
"""

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import chromium  # noqa: E402

WIDTH = 680  # of the animation, in pixels
COLOURS = 64


def main() -> None:
    """Serve the page, record it, write the animation."""
    name, *words = sys.argv[1:]
    script = {"live_gan": live_gan, "explore_latent": explore_latent}[name]
    with (
        tempfile.TemporaryDirectory() as profile,
        chromium.started(Path(profile)) as browser,
        chromium.serving(ROOT / "examples" / f"{name}.py", *words) as (address, _),
    ):
        chromium.open_page(browser, f"{address}/")
        *frames, milliseconds = script(browser)
    palette = frames[len(frames) // 2].quantize(COLOURS)  # one for all, so that what does not change is stored once
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    path = ROOT / "docs" / "figures" / f"{name.replace('_', '-')}.gif"
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=True)


def screen(browser: Any, box: tuple[int, int, int, int]) -> Image.Image:
    """The part ``box`` (left, upper, right, lower) of the window, in pixels, at the animation's width."""
    image = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB").crop(box)
    return image.resize((WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.LANCZOS)


def live_gan(browser: Any) -> Iterator[Any]:
    """The frames of a training, and the milliseconds of a frame."""
    browser.set_window_size(1450, 900)
    box = (0, 0, 1420, 730)
    plot = chromium.deep(browser, ".bk-Figure")[0].rect
    x, y = plot["x"] + 310, plot["y"] + 310
    chromium.press(browser, "Play")
    for frame in range(33):
        if frame == 18:
            heart = [(16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t)) for t in np.linspace(0.1, 6.2, 30)]
            chromium.drag(browser, [(x + 11 * each[0], y - 11 * each[1]) for each in heart])
        time.sleep(1.33)
        yield screen(browser, box)
    yield 290


def explore_latent(browser: Any) -> Iterator[Any]:
    """The frames of a pointer's path over the plane, and the milliseconds of a frame."""
    browser.set_window_size(1300, 900)
    left, top, width, height = chromium.frame(browser, "plane")
    for angle in np.linspace(0, 2 * np.pi, 48, endpoint=False):
        x = left + width * (0.5 + 0.27 * np.cos(angle))
        y = top + height * (0.47 - 0.25 * np.sin(2 * angle))
        chromium.pointer(browser, "Moved", x, y)
        time.sleep(0.3)
        yield screen(browser, (0, 20, 915, 600))
    yield 140


if __name__ == "__main__":
    main()
