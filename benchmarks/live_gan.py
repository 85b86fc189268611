"""The page of ``examples/live_gan.py`` in Chromium: how long an action takes while the GAN is trained, and memory.

    python benchmarks/live_gan.py --minutes 10

An action is timed in the browser, from the event to the change of the model that shows its result: this includes both
directions of the connection, the rest of the slice of training that runs at that moment, and the work of the action.
Memory is that of the server's process and of the page's JavaScript, minute by minute. No other library has such a page,
so there is no ratio. Needs Debian's packages chromium and chromium-driver and the extra ``dev``.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import common

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import chromium  # noqa: E402

GOAL = 200.0  # milliseconds
TIMES = 16  # of each action; even, so that play follows the last pause
MENU = "model('{}').value = arguments[1] % 2 ? '{}' : '{}'"
ACTIONS = {  # the action in JavaScript, and the model whose change is its result, if a condition holds
    "pause and play": (
        "button(arguments[1] % 2 ? 'Pause' : 'Play').click()",
        "play",
        "model('play').label === (arguments[1] % 2 ? 'Play' : 'Pause')",
    ),
    "reset": ("button('Reset').click()", "status", "parseInt(model('status').text.replace(',', '')) < 40"),
    "another objective": (
        MENU.format("objective", "minimax", "wasserstein_gradient"),
        "penalty_weight",
        "model('penalty_weight').disabled === Boolean(arguments[1] % 2)",
    ),
    "other data": (MENU.format("data", "moons", "ring"), "real", "true"),
    "critic of other layers": (
        MENU.format("units", "32", "128"),
        "status",
        "parseInt(model('status').text.replace(',', '')) < 40",
    ),
}
SCRIPT = """const document_ = Bokeh.documents[0], model = name => document_.get_model_by_name(name);
const buttons = root => [...root.querySelectorAll('*')].flatMap(
    each => [...(each.matches('button') ? [each] : []), ...(each.shadowRoot ? buttons(each.shadowRoot) : [])]);
const button = label => buttons(document).find(each => each.innerText.trim() === label);
const done = arguments[2], start = performance.now(), shown = model(arguments[0]);
const listener = () => { if (CONDITION) { shown.change.disconnect(listener); done(performance.now() - start); } };
shown.change.connect(listener);
ACTION;"""
HEAP = "return performance.memory.usedJSHeapSize / 1e6"


def main() -> None:
    """Latencies, then memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--minutes", type=int, default=10, help="of the measurement of memory (%(default)s)")
    minutes = parser.parse_args().minutes
    common.describe_machine()
    page = ROOT / "examples" / "live_gan.py"
    with (
        tempfile.TemporaryDirectory() as profile,
        chromium.started(Path(profile)) as browser,
        chromium.serving(page) as (address, server),
    ):
        chromium.open_page(browser, f"{address}/")
        chromium.press(browser, "Play")
        time.sleep(5)
        slowest = [latencies(browser, name) for name in ACTIONS]
        common.print_table(("action during the training", "median, ms", "slowest, ms"), slowest)
        chromium.open_page(browser, f"{address}/")
        chromium.press(browser, "Play")
        rows = []
        for minute in range(1, minutes + 1):
            time.sleep(60)
            steps = chromium.value(browser, "status", "text").split()[0]
            rows.append((str(minute), steps, resident(server.pid), browser.execute_script(HEAP)))
        common.print_table(("minute", "critic's steps", "server, MB", "JavaScript, MB"), rows)
    print(f"slowest action: {max(row[2] for row in slowest):.0f} ms (goal {GOAL:.0f})")


def latencies(browser: object, name: str) -> tuple[str, float, float]:
    """The name of an action, and its median and longest time in milliseconds."""
    action, shown, condition = ACTIONS[name]
    script = SCRIPT.replace("CONDITION", condition).replace("ACTION", action)
    browser.set_script_timeout(20)  # type: ignore[attr-defined]
    times = []
    for k in range(1, TIMES + 1):
        time.sleep(0.7 + 0.013 * k)  # at different moments of a slice
        times.append(browser.execute_async_script(script, shown, k))  # type: ignore[attr-defined]
    return name, median(times), max(times)


def resident(pid: int) -> float:
    """The memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


if __name__ == "__main__":
    main()
