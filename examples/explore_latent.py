"""A page that explores the latent space of a trained VAE or generator: every control changes the decoded image at once.

    python examples/explore_latent.py runs/vae_manifold/latent-2             the latent plane, under the pointer
    python examples/explore_latent.py runs/vae                               of make vae: sliders, drawings
    python examples/explore_latent.py runs/wgan_gp_svhn/model.h5             a generator without an encoder
    python examples/explore_latent.py runs/vae_manifold/latent-2 --data mnist      the encodings of other data

PATH is the folder of a run of vae_mnist.py, vae_mlp_mnist.py, vae_manifold.py, vae_svhn.py, semi_supervised_m1.py,
gan_fashion_mnist.py, dcgan_mnist.py or wgan_gp_svhn.py, or a file .h5 in it. Open the address that the command prints.

The decoded latent is z = base + sum_i s_i sigma_i v_i. The base lies between two latents A and B, at a fraction alpha
of the way: on the straight line for a VAE, where A and B are the mean of all encodings or encodings of test images and
of a drawing; on a great circle for a generator, where A and B are samples of the prior. The sliders are the s_i;
``latent_models.py`` defines the directions v_i. For a VAE with two latents z is the point of the plane under the
pointer; another alpha, A or B sets it to the base. A click on the plane holds the point, the next one releases it.

Below are the interpolation from A to B and the training images that are nearest to the decoded image. Every state is
a link. The tool beside the title of a figure saves it as a PNG.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from canvas import SIDE, drawn, strokes_of, text_of
from latent_models import LatentSpace, load_model
from live_page import Address, WrongAddress, page_arguments, serve

# isort: split
# After live_page, which ends the program with one sentence where Bokeh is not installed.
from bokeh.document import Document
from bokeh.events import MouseMove, Tap
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, FreehandDrawTool, LayoutDOM, Range1d
from bokeh.models.widgets import Button, Div, Select, Slider, Spinner, TextInput
from bokeh.plotting import figure

from tinygen import data, evaluation
from tinygen.plotting.figures import TEN_COLOURS
from tinygen.training import refusing, say
from tinygen.training.options import user_path, whole

TITLE = "Latent space"
DIRECTIONS = 10  # sliders
STEPS, NEIGHBOURS = 11, 8  # images of the interpolation; nearest training images
SEEDS = 9999  # the largest seed of a sample of the prior
DELAY = 10  # milliseconds from an event to the update: events that arrive during an update make one further update
FOLLOWED, HELD = "followed", "not followed"  # what the pointer on the plane can be
MEAN, IMAGE, DRAWING = "mean", "test image", "drawing"  # what A and B of a VAE can be
PRIOR = (1.177, 2.448)  # radii sqrt(-2 log(1 - p)) of the discs that hold the fraction p = 0.5 and 0.95 of N(0, I)


def arguments() -> argparse.Namespace:
    """The model, its data and the options of a server."""
    parser = page_arguments("Explore the latent space of a trained VAE or generator.")
    add, default = parser.add_argument, "the data set (default: that of the training)"
    add("path", type=user_path, metavar="PATH", help="folder of a run, or a file .h5 in it")
    add("--data", choices=data.names(), metavar="NAME", help=f"{default}: {', '.join(data.names())}")
    add("--data-root", type=user_path, metavar="DIR", help="folder of the data ($TINYGEN_DATA, else the cache)")
    limit = "training images among which the nearest are found (%(default)s)"
    add("--limit", type=whole(1), default=5000, metavar="N", help=limit)
    return parser.parse_args()


def main() -> None:
    """Parse the options, load model and data, serve the page."""
    options = arguments()
    with refusing():
        model = load_model(options.path)
        name = options.data or str(model.settings.get("data"))
        say(f"{model.example}.py, {model.latent_size} latents; loading {name}")
        space = LatentSpace(model, name, options.data_root, options.limit, DIRECTIONS)
    serve(f"{TITLE}: {model.example}.py", partial(build, space), options)


def build(space: LatentSpace, document: Document, address: Address) -> LayoutDOM:
    """The content of a new page."""
    return Page(space, document, address).layout


class Images:
    """A row of ``count`` images (C, H, W) of the same shape in a figure, with a line of text below each; ``side`` is
    the width of an image on the screen in pixels."""

    def __init__(self, space: LatentSpace, name: str, title: str, side: int, count: int = 1, text: int = 0) -> None:
        self.pixel_range = space.model.pixel_range
        self.source = ColumnDataSource({"image": [], "x": [], "text": []}, name=name)
        self.figure = figure(
            title=title,
            frame_width=count * side,
            frame_height=side + text,
            x_range=Range1d(start=0, end=count),
            y_range=Range1d(start=-text / side, end=1),
            tools="save",
            toolbar_location="above",
            outline_line_color=None,
        )
        self.figure.axis.visible = self.figure.grid.visible = False
        self.figure.toolbar.logo = None
        gap = 2 / side  # in the unit of the axes, one image
        self.figure.image_rgba("image", "x", gap, 1 - gap, 1 - gap, source=self.source)
        self.figure.text("x", 0, "text", source=self.source, text_baseline="top", text_font_size="11px")

    def show(self, images: np.ndarray, texts: Sequence[str] = ()) -> None:
        """Show ``images`` (count, C, H, W)."""
        pictures = [rgba(image, self.pixel_range) for image in images]
        texts = list(texts) or [""] * len(pictures)
        self.source.data = {"image": pictures, "x": list(range(len(pictures))), "text": texts}


def rgba(image: np.ndarray, pixel_range: tuple[float, float]) -> np.ndarray:
    """An image (C, H, W) with pixels in ``pixel_range`` as Bokeh's: uint32 (H, W), the lowest row first."""
    low, high = pixel_range
    pixels = np.full((*image.shape[1:], 4), 255, np.uint8)
    pixels[..., :3] = np.rint((image.clip(low, high) - low) / (high - low) * 255).transpose(1, 2, 0)
    return pixels[::-1].copy().view(np.uint32)[..., 0]


class End:
    """One end of the interpolation, A or B: ``latent`` (L,) and ``picture`` (C, H, W) of what the widgets choose."""

    def __init__(self, space: LatentSpace, name: str, kind: str, number: int) -> None:
        self.space = space
        if space.model.vae is None:
            self.number = Spinner(title=f"{name}: seed", low=0, high=SEEDS, step=1, value=number, width=120)
            self.widgets: dict[str, Any] = {name.lower(): self.number}
        else:
            kinds: list[Any] = [MEAN, IMAGE, DRAWING] if can_draw(space) else [MEAN, IMAGE]
            last = len(space.test) - 1
            self.kind = Select(title=name, options=kinds, value=kind, width=120)
            self.number = Spinner(title="number", low=0, high=last, step=1, value=min(number, last), width=120)
            self.widgets = {name.lower(): self.kind, f"{name.lower()}_image": self.number}
        self.images = Images(space, f"picture {name}", name, side=90)

    def choice(self, drawing: str) -> tuple[Any, ...]:
        """What the latent depends on: the values of the widgets that count, and the text of the ``drawing`` if it is
        chosen."""
        if self.space.model.vae is None:
            return (self.number.value,)
        kind = self.kind.value
        return (kind, *{IMAGE: [self.number.value], DRAWING: [drawing]}.get(kind, []))

    def update(self, drawing: np.ndarray | None) -> np.ndarray:
        """The latent (L,) that the widgets choose, whose picture is shown; ``drawing`` (1, 28, 28) may be absent."""
        model, number = self.space.model, int(self.number.value or 0)
        picture: Any = None
        if model.vae is None:
            z = np.random.default_rng(number).standard_normal(model.latent_size)
        elif self.kind.value == MEAN or (self.kind.value == DRAWING and drawing is None):
            z = self.space.directions.origin
        else:
            picture = drawing if self.kind.value == DRAWING else self.space.test[number]
            z = self.space.encode(picture)
        self.images.show(self.space.decode(z[None]) if picture is None else picture[None])
        return z


def can_draw(space: LatentSpace) -> bool:
    """Whether drawings can be encoded: grey images of 28 x 28 pixels."""
    return space.model.vae is not None and space.model.vae.image_shape == (1, SIDE, SIDE)


class Page:
    """The widgets and figures of one tab, and the latent that they show."""

    def __init__(self, space: LatentSpace, document: Document, address: Address) -> None:
        self.space, self.document, self.is_late = space, document, False
        self.shown: Any = None  # the choices of A and B, and alpha, at the last update
        self.ends = [End(space, "A", MEAN, 0), End(space, "B", IMAGE, 1)]
        self.alpha = Slider(title="alpha, from A to B", start=0, end=1, step=0.01, value=0, width=400)
        self.drawing = TextInput(name="drawing")  # the strokes as text: the state of the canvas
        self.is_plane = space.means is not None and space.model.latent_size == 2
        self.sliders = plane_sliders(space) if self.is_plane else direction_sliders(space)
        self.image = Images(space, "image", "the decoded image", side=300)
        self.row = Images(space, "interpolation", "from A to B", side=68, count=STEPS)
        self.nearest = Images(space, "nearest", nearest_title(space), 68, NEIGHBOURS, text=18)
        self.point = ColumnDataSource({"x": [], "y": []}, name="point")
        self.line = ColumnDataSource({"x": [], "y": []}, name="line")
        self.canvas = ColumnDataSource({"xs": [], "ys": []}, name="canvas")
        self.pointer = Select(title="the pointer is", options=[FOLLOWED, HELD], value=FOLLOWED, width=150)

        self.widgets = {name: widget for end in self.ends for name, widget in end.widgets.items()}
        self.widgets |= {"alpha": self.alpha} | ({"drawing": self.drawing} if can_draw(space) else {})
        self.widgets |= self.sliders | ({"pointer": self.pointer} if self.is_plane else {})
        self.initial = {name: widget.value for name, widget in self.widgets.items()}
        address.keep(**self.widgets)
        try:
            self.show_drawing(strokes_of(self.drawing.value))
        except ValueError as error:
            raise WrongAddress(error) from error
        self.update()
        for widget in self.widgets.values():
            widget.on_change("value", lambda attribute, old, new: self.change())
        self.canvas.on_change("data", lambda attribute, old, new: self.read_canvas())
        self.layout = self.arrange()

    # State -----------------------------------------------------------------------------------------------------------

    def change(self) -> None:
        """Update the figures after a short time, in which further events are collected."""
        if not self.is_late:
            self.is_late = True
            self.document.add_timeout_callback(self.update, DELAY)

    def update(self) -> None:
        """Compute the latent of the widgets' values and show it; A, B and the row only where they changed."""
        self.is_late = False
        chosen, alpha = [end.choice(self.drawing.value) for end in self.ends], self.alpha.value
        if self.shown is None or chosen != self.shown[0]:
            self.show_ends()
        if self.is_plane and self.shown not in (None, (chosen, alpha)):
            self.move_to(self.base(alpha))
        self.shown = chosen, alpha
        z = self.latent()
        image = self.space.decode(z[None])
        self.image.show(image)
        indices, distances = self.space.nearest(image[0], NEIGHBOURS)
        self.nearest.show(self.space.train[indices], [f"{distance:.3f}" for distance in distances])
        self.point.data = {"x": z[:1], "y": z[1:2]}

    def show_ends(self) -> None:
        """Compute A and B, and show them and the interpolation."""
        strokes = strokes_of(self.drawing.value)
        drawing = drawn(strokes, self.space.data)[None] if strokes else None
        self.a, self.b = (end.update(drawing) for end in self.ends)
        self.row.show(self.space.decode(np.stack([self.base(alpha) for alpha in np.linspace(0, 1, STEPS)])))
        self.line.data = {"x": [self.a[0], self.b[0]], "y": [self.a[1], self.b[1]]}

    def base(self, alpha: float) -> np.ndarray:
        """The latent (L,) between A and B."""
        if self.space.model.vae is None:
            return evaluation.slerp(self.a, self.b, alpha)
        z: np.ndarray = (1 - alpha) * self.a + alpha * self.b
        return z

    def latent(self) -> np.ndarray:
        """The latent (L,) of the widgets' values."""
        values = np.array([slider.value for slider in self.sliders.values()], float)
        if self.is_plane:
            return values
        directions = self.space.directions
        z: np.ndarray = self.base(self.alpha.value) + (values * directions.scales) @ directions.vectors
        return z

    def move_to(self, point: Any) -> None:
        """Set the ``point`` (2,) of the plane, within the range of its sliders."""
        for slider, value in zip(self.sliders.values(), point, strict=True):
            slider.value = round(min(max(value, slider.start), slider.end), 2)

    def follow_pointer(self, event: Any) -> None:
        """Set the point of the plane to the pointer's."""
        if self.pointer.value == FOLLOWED:
            self.move_to((event.x, event.y))

    def hold(self, event: Any) -> None:
        """Hold the point, or release it."""
        self.pointer.value = HELD if self.pointer.value == FOLLOWED else FOLLOWED

    def read_canvas(self) -> None:
        """Keep the strokes on the canvas as text, and make them A unless A or B is the drawing; without strokes an end
        that was the drawing is the mean."""
        strokes: dict[str, Any] = dict(self.canvas.data)
        self.drawing.value = text_of(strokes["xs"], strokes["ys"])
        drawn_ends = [end for end in self.ends if end.kind.value == DRAWING]
        if self.drawing.value and not drawn_ends:
            self.ends[0].kind.value = DRAWING
        elif not self.drawing.value:
            for end in drawn_ends:
                end.kind.value = MEAN

    def show_drawing(self, strokes: list[np.ndarray]) -> None:
        """Show strokes (P, 2) each on the canvas."""
        self.canvas.data = {"xs": [stroke[:, 0] for stroke in strokes], "ys": [stroke[:, 1] for stroke in strokes]}

    def reset(self) -> None:
        """Set all widgets to their values on a new page, the sliders last: those of the plane follow alpha."""
        for name, value in self.initial.items():
            self.widgets[name].value = value
        self.show_drawing([])

    # Layout ----------------------------------------------------------------------------------------------------------

    def arrange(self) -> LayoutDOM:
        """All widgets and figures."""
        reset = Button(label="reset", width=80)
        reset.on_click(lambda: self.reset())
        about = Div(text=description(self.space), render_as_text=True)
        sliders = list(self.sliders.values())
        if self.is_plane:
            controls = column(self.plane(), row(*sliders))
            side = column(self.image.figure, row(self.pointer, reset))
        else:
            controls = column(*sliders)
            side = column(self.image.figure, reset)
        drawing = [self.canvas_figure()] if can_draw(self.space) else []
        ends = [row(end.images.figure, column(*end.widgets.values())) for end in self.ends]
        return column(
            about,
            row(controls, side, *drawing),
            row(ends[0], column(self.alpha), ends[1]),
            self.row.figure,
            self.nearest.figure,
        )

    def plane(self) -> LayoutDOM:
        """The plane with the encodings of the test images, coloured by label, the line from A to B and the point."""
        means, labels = self.space.means, self.space.labels
        ranges = [Range1d(start=slider.start, end=slider.end) for slider in self.sliders.values()]
        plane = figure(
            title="encodings of test images; circles hold 50 % and 95 % of the prior",
            frame_width=470,
            frame_height=470,
            x_range=ranges[0],
            y_range=ranges[1],
            x_axis_label="z1",
            y_axis_label="z2",
            tools="save",
            toolbar_location="above",
            name="plane",
        )
        plane.toolbar.logo = None
        for label in np.unique(labels).tolist():
            x, y = means[labels == label].T
            colour = TEN_COLOURS[label % len(TEN_COLOURS)]
            plane.scatter(x, y, size=4, color=colour, alpha=0.6, legend_label=str(label))
        plane.add_layout(plane.legend[0], "right")
        for radius in PRIOR:
            plane.ellipse(0, 0, 2 * radius, 2 * radius, fill_color=None, line_color="black", line_dash="dotted")
        plane.line("x", "y", source=self.line, color="black")
        plane.scatter("x", "y", source=self.point, size=14, marker="circle_cross", fill_color=None, line_color="black")
        plane.on_event(MouseMove, self.follow_pointer)
        plane.on_event(Tap, self.hold)
        return plane

    def canvas_figure(self) -> LayoutDOM:
        """The canvas, in pixels of an image, y downwards."""
        canvas = figure(
            title="draw here",
            frame_width=224,
            frame_height=224,
            x_range=Range1d(start=0, end=SIDE),
            y_range=Range1d(start=SIDE, end=0),
            tools="",
            toolbar_location=None,
            name="canvas figure",
        )
        canvas.axis.visible = canvas.grid.visible = False
        lines: Any = canvas.multi_line(
            "xs", "ys", source=self.canvas, line_width=16, line_cap="round", line_join="round"
        )
        tool = FreehandDrawTool(renderers=[lines])
        canvas.add_tools(tool)
        canvas.toolbar.active_drag = tool
        clear = Button(label="clear", width=80)
        clear.on_click(lambda: self.show_drawing([]))
        return column(canvas, clear)


def plane_sliders(space: LatentSpace) -> dict[str, Slider]:
    """The two coordinates of the plane; their range contains all encodings."""
    extent = max(4, int(np.ceil(np.abs(space.means).max())))
    return {
        name: Slider(title=name, start=-extent, end=extent, step=0.01, value=round(float(value), 2), width=240)
        for name, value in zip(("z1", "z2"), space.directions.origin, strict=True)
    }


def direction_sliders(space: LatentSpace) -> dict[str, Slider]:
    """One slider for each direction, in standard deviations."""
    titles = [f"direction {i}, {share:.1%} of the variance" for i, share in enumerate(space.directions.shares, 1)]
    return {
        f"s{i}": Slider(title=title, start=-3, end=3, step=0.05, value=0, width=300)
        for i, title in enumerate(titles, 1)
    }


def description(space: LatentSpace) -> str:
    """The model, its data, and what the directions are."""
    source = "the first layer" if space.model.vae is None else f"the encodings of {len(space.means):,} test images"
    directions = "" if space.model.latent_size == 2 else f"; directions: those of {source}"
    return f"{space.model.example}.py, {space.model.latent_size} latents; data: {space.data}{directions}"


def nearest_title(space: LatentSpace) -> str:
    """What the nearest images are, and the unit of their distances."""
    return f"nearest of {len(space.train):,} training images, and the RMS difference of the pixels"


if __name__ == "__main__":
    main()
