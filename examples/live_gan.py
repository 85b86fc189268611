"""A GAN in the plane that is trained while the page shows it.

    python examples/live_gan.py                       then open the address that it prints
    python examples/live_gan.py --critic critic.py    with a critic of your own

The page shows the data and the samples, the critic as a heat map (blue: real), the direction in which the generator's
loss falls at the points of a lattice, the losses, the fraction of the modes that are covered, and estimates of three
divergences. Play trains; or make single steps of the critic and of the generator. All settings can be changed
meanwhile; those of the critic's network, and the seed, begin a new training. Draw on the plot to make data of your own.
The address of the page contains the settings.

The estimates are lower bounds by networks of their own, the longer ones of ``toy_gan.py``; they are computed in a
second process, each from the weights at the moment when it begins, and appear when it ends.

``--critic`` names a Python file with a function ``critic()`` that returns a network, points (N, 2) -> scores (N, 1):

    from tinygen import models, nn
    def critic():
        return models.MLP(2, 1, (32, 32, 32), nn.Softplus)

GAN Lab (Kahng et al. 2019) is a page of this kind; its GANs have two losses, those of the first two objectives here.
"""

import argparse
import multiprocessing
import os
import runpy
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.pool import AsyncResult, Pool
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from live_page import Address, WrongAddress, page_arguments, serve

# isort: split
# After live_page, which ends the program with one sentence where Bokeh is not installed.
from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, FreehandDrawTool, LayoutDOM, Legend, LinearColorMapper, Range1d
from bokeh.models.widgets import Button, CategoricalSlider, Div, Select, Slider, TextInput, Toggle
from bokeh.palettes import interp_palette
from bokeh.plotting import figure
from plane_gan import ACTIVATIONS, ARROWS, PlaneGAN, Settings, estimates, read, written
from toy_gan import DATA

import tinygen as tg
from tinygen import nn
from tinygen.objectives import GAMES
from tinygen.training import refusing
from tinygen.training.options import user_path

TITLE = "A GAN in the plane"
PERIOD, SLICE = 100, 40  # milliseconds between two frames, and those of them that are spent in training
BETWEEN_MEASURES = 5  # frames
KEPT = 2_000  # points of a curve
RATES = ["0.0", "0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.004", "0.01"]
WEIGHTS = ["0.0", "0.01", "0.03", "0.1", "0.3", "1.0", "3.0", "10.0"]
SCALE = interp_palette(["#f4a582", "#f7f7f7", "#92c5de"], 64)
COLOURS = ("#1f77b4", "#d62728", "#2ca02c")
LOSSES, COVERAGE = "Losses", "Mode coverage, fractions"
DIVERGENCES = "Divergences, estimated, in nats and units of x"
CURVES = {  # title -> measure -> label
    LOSSES: {"critic_loss": "critic", "generator_loss": "generator"},
    COVERAGE: {
        "modes_covered": "modes with samples",
        "share_within_3_sd": "samples within 3 standard deviations of a mode",
    },
    DIVERGENCES: {
        "jensen_shannon": "Jensen-Shannon",
        "kullback_leibler": "KL(data || samples)",
        "wasserstein": "Wasserstein",
    },
}
HELP = """<b>Play</b> trains. <b>Draw</b> on the plot for data of your own. Blue: the critic takes a point for real.
Arrows: where the generator's loss falls, and samples at that point would move."""


def arguments() -> argparse.Namespace:
    """The options of the server, and the critic."""
    parser = page_arguments(__doc__)
    parser.add_argument("--critic", type=user_path, metavar="FILE", help="a Python file with a function critic()")
    return parser.parse_args()


def main() -> None:
    """Parse the options and serve pages until Ctrl-C."""
    options = arguments()
    with refusing():
        new_critic = None if options.critic is None else critic_in(options.critic)
    with multiprocessing.get_context("spawn").Pool(1, initializer=_begin_second_process) as pool:
        serve(TITLE, lambda document, address: Page(document, address, pool, new_critic).layout(), options)


def _begin_second_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the server, which ends this process
    os.environ["TINYGEN_THREADS"] = "1"
    os.nice(10)  # training and page go first


def critic_in(path: Path) -> Callable[[], nn.Module]:
    """The function ``critic`` of a Python file. Raises ``ValueError`` where there is none, or its result is not a
    network with one score per point, and the errors of reading the file."""
    new_critic: Callable[[], nn.Module] | None = runpy.run_path(str(path)).get("critic")
    if not callable(new_critic):
        raise ValueError(f"{path} has no function critic()")
    network = new_critic()
    if not isinstance(network, nn.Module):
        raise ValueError(f"critic() of {path} must return a tinygen.nn.Module, got {type(network).__name__}")
    scores = network(tg.zeros(3, 2))
    if scores.shape != (3, 1):
        raise ValueError(f"critic() of {path} must give scores (N, 1) of points (N, 2), got {scores.shape} for (3, 2)")
    return new_critic


def controls() -> dict[str, Any]:
    """A widget for each field of ``Settings``, with its default."""
    default = Settings()
    return {
        "objective": Select(title="Objective", options=list(GAMES), value=default.objective),
        "data": Select(title="Data", options=[*DATA, "drawing"], value=default.data),
        "drawing": TextInput(value="", visible=False),
        "critic_rate": choice("Critic's learning rate", RATES, default.critic_rate),
        "generator_rate": choice("Generator's learning rate", RATES, default.generator_rate),
        "penalty_weight": choice("Penalty weight", WEIGHTS, default.penalty_weight),
        "critic_steps": Slider(title="Critic steps per round", start=1, end=10, value=default.critic_steps),
        "layers": Slider(title="Critic: hidden layers", start=1, end=4, value=default.layers),
        "units": Select(title="Critic: units per layer", options=["8", "32", "128", "256"], value=str(default.units)),
        "activation": Select(title="Critic: activation", options=list(ACTIVATIONS), value=default.activation),
        "seed": Slider(title="Seed", start=0, end=99, value=default.seed),
    }


def choice(title: str, values: Sequence[str], value: float) -> CategoricalSlider:
    """A slider over ``values``, numbers as text."""
    return CategoricalSlider(title=title, categories=values, value=str(value))


class Page:
    """The page of one tab, with a training of its own; ``pool`` is the second process."""

    def __init__(
        self, document: Document, address: Address, pool: Pool, new_critic: Callable[[], nn.Module] | None
    ) -> None:
        self.address, self.pool = address, pool
        self.controls = controls()
        address.keep(**self.controls)
        try:
            self.training = PlaneGAN(self.settings(), new_critic)
        except ValueError as error:
            raise WrongAddress(error) from error
        self.frames, self.estimated_at, self.is_stale = 0, -1, False
        self.estimate: AsyncResult[dict[str, float]] | None = None

        self.play = Toggle(label="Play", button_type="success", name="play")
        self.critic_button, self.generator_button = Button(label="Step of the critic"), Button(label="of the generator")
        self.reset_button, self.clear_button = Button(label="Reset"), Button(label="Erase the drawing")
        self.status = Div(render_as_text=True, name="status")
        names = ("heat", "arrows", "samples", "real", "lines")
        self.heat, self.arrows, self.samples, self.real, self.lines = (ColumnDataSource(name=name) for name in names)
        self.curves = {title: ColumnDataSource(empty(title), name=title) for title in CURVES}
        self.colours = LinearColorMapper(palette=SCALE)
        self.plane = self.new_plane()

        for name, widget in self.controls.items():
            widget.name = name
            widget.on_change("value_throttled" if isinstance(widget, Slider) else "value", self.change)
        self.play.on_click(lambda active: self.play.update(label="Pause" if active else "Play"))
        self.critic_button.on_click(lambda: self.show(self.training.critic_step()))
        self.generator_button.on_click(lambda: self.show(self.training.generator_step()))
        self.reset_button.on_click(self.reset)
        self.clear_button.on_click(lambda: self.lines.update(data={"xs": [], "ys": []}))
        self.lines.on_change("data", self.drawn)
        document.add_periodic_callback(self.tick, PERIOD)
        self.show_data()
        self.show({})

    def layout(self) -> LayoutDOM:
        """The widgets, the plane, the curves."""
        steps = row(self.critic_button, self.generator_button)
        widgets = column(
            Div(text=HELP),
            row(self.play, self.reset_button),
            steps,
            *self.controls.values(),
            self.clear_button,
            width=300,
        )
        curves = [curve_figure(title, source) for title, source in self.curves.items()]
        return row(widgets, column(self.plane, self.status), column(*curves))

    def new_plane(self) -> figure:
        """The figure of the plane; the mouse draws on it."""
        plane = figure(
            name="plane",
            width=600,
            height=600,
            toolbar_location="above",
            tools="save",
            x_range=Range1d(),
            y_range=Range1d(),
        )
        plane.image("image", "low", "low", "side", "side", source=self.heat, color_mapper=self.colours)
        plane.segment("x", "y", "tip_x", "tip_y", source=self.arrows, color="#555555", line_alpha=0.6)
        plane.scatter("tip_x", "tip_y", source=self.arrows, marker="triangle", angle="angle", size=5, color="#555555")
        plane.scatter("x", "y", source=self.real, size=4, color="#c58c00", legend_label="data")
        plane.scatter("x", "y", source=self.samples, size=4, color="black", legend_label="samples")
        drawing = self.training.settings.drawing
        lines = [list(zip(*line, strict=True)) for line in (read(drawing) if drawing else [])]
        self.lines.data = {"xs": [list(x) for x, _ in lines], "ys": [list(y) for _, y in lines]}
        pen = FreehandDrawTool(
            renderers=[plane.multi_line("xs", "ys", source=self.lines, color="#c58c00", line_width=2)]
        )
        plane.add_tools(pen)
        plane.toolbar.active_drag = pen
        plane.legend.background_fill_alpha = 0.6
        return plane

    # What the widgets do ------------------------------------------------------------------------------------------

    def settings(self) -> Settings:
        """The settings that the widgets show."""
        default = Settings()
        return Settings(**{name: type(getattr(default, name))(each.value) for name, each in self.controls.items()})

    def change(self, attribute: str, old: Any, new: Any) -> None:
        """Continue with the settings of the widgets."""
        settings, before = self.settings(), self.training.settings
        if settings.data == "drawing" and not settings.drawing:
            self.status.text = "There is no drawing yet: draw on the plot."
            return
        self.training.change(settings)
        if settings.start != before.start:
            self.clear()
        self.show_data()
        self.show({})

    def drawn(self, attribute: str, old: Any, new: dict[str, Any]) -> None:
        """The lines on the plot become the data."""
        text = written([list(zip(*line, strict=True)) for line in zip(new["xs"], new["ys"], strict=True)])
        self.controls["drawing"].value = text
        if text:
            self.controls["data"].value = "drawing"

    def reset(self) -> None:
        """New networks."""
        self.training.begin(self.training.settings)
        self.clear()
        self.show({})

    def clear(self) -> None:
        """Empty curves."""
        self.estimated_at, self.is_stale = -1, self.estimate is not None
        for title, source in self.curves.items():
            source.data = empty(title)

    # What is shown ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Train for a part of the period, if the button says so, and show the result."""
        if self.play.active:
            end = perf_counter() + SLICE / 1000
            metrics = self.training.round()
            while perf_counter() < end:
                metrics = self.training.round()
            self.show(metrics)
            if not np.isfinite(list(metrics.values())).all():
                self.play.active = False
                self.status.text = "The training has diverged: choose lower rates, and reset."
        self.estimate_divergences()

    def show(self, metrics: dict[str, float]) -> None:
        """Draw the networks as they are, and append metrics to the curves."""
        training, extent = self.training, self.training.settings.extent
        image, low, high = training.scores()
        self.colours.update(low=low, high=high)
        self.heat.data = {"image": [image], "low": [-extent], "side": [2 * extent]}
        points, directions = training.field()
        largest = max(float(np.linalg.norm(directions, axis=1).max()), 1e-12)
        tips = points + directions * (1.8 * extent / ARROWS / largest)
        angles = np.arctan2(directions[:, 1], directions[:, 0]) - np.pi / 2
        self.arrows.data = dict(zip(("x", "y", "tip_x", "tip_y", "angle"), (*points.T, *tips.T, angles), strict=True))
        self.samples.data = dict(zip("xy", training.samples().T, strict=True))
        self.plane.title.text = f"{training.settings.objective.replace('_', ' ')}; longest arrow: {largest:.2g}"
        self.status.text = " and ".join(f"{count:,} steps of the {name}" for name, count in training.steps.items())
        self.append(LOSSES, metrics)
        self.frames += 1
        if metrics and self.frames % BETWEEN_MEASURES == 0:
            self.append(COVERAGE, training.coverage())

    def show_data(self) -> None:
        """Draw samples of the data, on axes that fit; enable the penalty's slider if there is a penalty."""
        self.controls["penalty_weight"].disabled = self.training.gan.game.norm_penalty is None
        extent = self.training.settings.extent
        for axis in (self.plane.x_range, self.plane.y_range):
            axis.update(start=-extent, end=extent)
        self.real.data = dict(zip("xy", self.training.real().T, strict=True))

    def append(self, title: str, values: dict[str, float], step: int | None = None) -> None:
        """Append the ``values`` of a figure to its curves, at the present step by default; missing ones are gaps."""
        kept = {name: [values.get(name, np.nan)] for name in CURVES[title]}
        if any(name in values for name in kept):
            self.curves[title].stream({"step": [self.training.total if step is None else step], **kept}, rollover=KEPT)

    def estimate_divergences(self) -> None:
        """Show the estimate of the second process, if it has ended, and let it begin another."""
        if self.estimate is not None and self.estimate.ready():
            estimate, self.estimate = self.estimate, None
            with suppress(FloatingPointError, ValueError):  # the samples have diverged: there is no estimate
                if not self.is_stale:
                    self.append(DIVERGENCES, estimate.get(), self.estimated_at)
            self.is_stale = False
        if self.estimate is None and self.estimated_at < self.training.total:
            self.estimated_at = self.training.total
            weights = self.training.gan.generator.state_dict()
            self.estimate = self.pool.apply_async(estimates, (self.training.settings, weights))


def empty(title: str) -> dict[str, list[float]]:
    """The data of a figure of curves without points."""
    return {name: [] for name in ("step", *CURVES[title])}


def curve_figure(title: str, source: ColumnDataSource) -> figure:
    """A figure of curves over the number of steps of both networks."""
    scale = "log" if title == DIVERGENCES else "linear"  # the bound of an infinite divergence grows and grows
    plot = figure(title=title, width=520, height=240, tools="save", toolbar_location="right", y_axis_type=scale)
    legend = Legend(orientation="horizontal", label_text_font_size="11px", border_line_alpha=0, padding=0, margin=0)
    plot.add_layout(legend, "above")
    for (name, label), colour in zip(CURVES[title].items(), COLOURS, strict=False):
        plot.line("step", name, source=source, color=colour, legend_label=label)
        plot.scatter("step", name, source=source, color=colour, size=3)
    plot.xaxis.axis_label = "steps of both networks"
    return plot


if __name__ == "__main__":
    main()
