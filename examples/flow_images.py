"""Flow matching and diffusion on images: a U-Net moves noise to images of a chosen class.

    python examples/flow_images.py                                      synthetic digits, straight paths from noise
    python examples/flow_images.py --path diffusion                     the path and the target of diffusion
    python examples/flow_images.py --resume --digit 7 --guidance 2      other samples of the same network, no training
    python examples/flow_images.py --data fashion-mnist --epochs 12 --width 32

The network is trained to predict the velocity of the path from noise to an image (``flow_matching_loss``), or the noise
in it (``diffusion_loss``), from the image, the time and the class. The label is withheld for a tenth of the images, so
the network also learns the velocity without a class, and ``--guidance`` w extrapolates from the second to the first,
(1 + w) v(x, t, class) - w v(x, t): samples become more typical of their class and less diverse. Samples are drawn with
a moving average of the weights, by Heun's method.

A classifier trained on the same images gives FID, KID, precision and recall of samples whose classes are as frequent
as in the data. ``film.gif`` shows the samples on their path from noise.

What to look for. The loss falls fast, then hardly at all, while the samples still improve: most of it is the variance
of the target given x_t, which no network can predict. With guidance fewer samples belong to no class, and the samples
of a class differ less.
"""

import argparse
import math
from typing import Any

import numpy as np
from PIL import Image

import tinygen as tg
from tinygen import data, evaluation, flows, plotting, ranks
from tinygen.models import DigitClassifier, SVHNClassifier, UNet
from tinygen.optim import Adam, ExponentialMovingAverage, cosine_schedule
from tinygen.training import Run, Snapshots, common_arguments, conduct, load_splits, say, train
from tinygen.training.options import MAY_CHANGE, real, whole

TITLE = "Flow matching and diffusion on images"
DATASETS = ("strokes", "mnist", "binarized-mnist", "fashion-mnist", "street")
CLASSES = 10
WITHHELD = 0.1  # the fraction of images that are trained without their label
ROW, WARMUP = 200, 100  # training steps per row of metrics, and those in which the learning rate rises
BATCH = 250  # images sampled at a time


def arguments() -> argparse.Namespace:
    """The common options, and those of the flow."""
    parser = common_arguments(
        TITLE, data="strokes", datasets=DATASETS, epochs=2, learning_rate=2e-3, classifier=True, out="runs/flow_images"
    )
    add = parser.add_argument
    add("--path", choices=("straight", "diffusion"), default="straight", help="from noise to data (%(default)s)")
    add("--width", type=whole(1), default=16, metavar="N", help="channels at full resolution (%(default)s)")
    steps = f"training steps, above {ROW} rounded up to a multiple of it; default: --epochs"
    add("--steps", type=whole(1), metavar="N", help=steps)
    add("--digit", type=whole(0), choices=range(CLASSES), metavar="N", help="class of the samples in the figures (all)")
    add("--guidance", type=real(0), default=0.0, metavar="W", help="weight of classifier-free guidance (%(default)s)")
    add("--sampling-steps", type=whole(1), default=20, metavar="N", help="steps from noise to sample (%(default)s)")
    add("--draws", type=whole(2), metavar="N", help="number of samples that are scored (as many as test images)")
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    may_change = (*MAY_CHANGE, "steps", "digit", "guidance", "sampling_steps")
    small = {"limit": max(32, options.batch_size), "steps": 1, "sampling_steps": 1, "draws": 32}
    conduct(experiment, options, may_change=may_change, **small)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, training, samples, evaluation by a classifier, figures, results."""
    train_set, valid_set, test_set = load_splits(options)
    if train_set.labels is None and (options.digit is not None or options.guidance):
        raise ValueError(f"--digit and --guidance need labels, {options.data} has none")
    flow = Flow(options, train_set)
    snapshots = fit(options, run, flow, train_set)
    results = {"train_loss": run.rows[-1]["loss"], "guidance_weight": options.guidance}
    with flow.average.applied():
        tg.save(run.file("model.h5"), model=flow.network.state_dict())
        draw(options, run, flow, snapshots)
        if flow.has_labels:
            labels = np.resize(train_set.labels, options.draws or len(test_set))  # as frequent as in the data
            samples = flow.sample(labels, options.guidance)
    if flow.has_labels:
        tg.manual_seed(options.seed)  # the classifier does not depend on the flow
        make = SVHNClassifier if options.data == "street" else DigitClassifier
        classifier = evaluation.load_or_train_classifier(
            options.classifier, run, train_set, valid_set, make=make, epochs=5, device=options.device
        )
        results |= evaluation.evaluate_samples(classifier, samples, test_set)
    run.finish(f"{TITLE}: {options.data}, {options.path}", results, text=__doc__)


class Flow:
    """The network, its optimiser and the average of its weights, and what depends on the path: loss and velocity."""

    def __init__(self, options: argparse.Namespace, train_set: data.Dataset) -> None:
        self.shape, self.has_labels = train_set.images.shape[1:], train_set.labels is not None
        self.path, self.sampling_steps = options.path, options.sampling_steps
        widths = [options.width, 2 * options.width, 4 * options.width]
        self.network = UNet(self.shape[0], widths, CLASSES).to(options.device)
        self.optimizer = Adam(self.network.parameters(), options.learning_rate, (0.9, 0.99))
        self.average = ExponentialMovingAverage(self.network, 0.999)
        self.parts: dict[str, Any] = {"network": self.network, "optimizer": self.optimizer, "average": self.average}

    def loss(self, x: tg.Tensor, labels: np.ndarray | None) -> tg.Tensor:
        """The loss of images x (N, C, H, W), for a tenth of which the labels (N,) are withheld."""
        if labels is not None:
            labels = np.where(tg.rand(len(x)).numpy() < WITHHELD, CLASSES, labels)
        loss = flows.flow_matching_loss if self.path == "straight" else flows.diffusion_loss
        return loss(lambda x_t, t: self.network(x_t, t, labels), x)

    def integrate(self, x: tg.Tensor, labels: np.ndarray | None, guidance: float, steps: int, **span: Any) -> tg.Tensor:
        """From noise x (N, C, H, W) to images of the classes ``labels`` (N,), or over a part ``span`` of the path."""
        network = self.network.guided(labels, guidance)
        velocity = network if self.path == "straight" else flows.velocity_from_noise(network)
        return flows.integrate(velocity, x, steps, **span)

    def noise(self, n: int) -> tg.Tensor:
        """Noise for n images."""
        return tg.randn(n, *self.shape, device=next(iter(self.network.parameters())).device)

    def sample(self, labels: np.ndarray, guidance: float) -> np.ndarray:
        """An image of each class in ``labels`` (N,): uint8 (N, C, H, W)."""
        batches = [labels[first : first + BATCH] for first in range(0, len(labels), BATCH)]
        return np.concatenate(
            [as_images(self.integrate(self.noise(len(each)), each, guidance, self.sampling_steps)) for each in batches]
        )


def as_images(x: tg.Tensor) -> np.ndarray:
    """Images in [-1, 1] as bytes."""
    return data.as_bytes(x.numpy())


def to_range(images: np.ndarray) -> np.ndarray:
    """Bytes and bits as numbers in [-1, 1]."""
    return data.to_tanh_range(images * np.uint8(255) if images.dtype == bool else images)


def fit(options: argparse.Namespace, run: Run, flow: Flow, train_set: data.Dataset) -> Snapshots:
    """Train, and draw ten samples after each row of metrics, always from the same noise."""
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True, drop_last=True, transform=to_range)
    steps = options.steps or options.epochs * len(loader)
    interval = min(ROW, steps)
    rows = math.ceil(steps / interval)
    parameters = sum(parameter.size for parameter in flow.network.parameters())
    say(f"{parameters:,} parameters, {rows * interval:,} steps")
    snapshots, noise = Snapshots(), flow.noise(CLASSES)
    labels = np.arange(CLASSES) if flow.has_labels else None

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        images, classes = batch
        flow.optimizer.lr = cosine_schedule(index, rows * interval, options.learning_rate, warmup=WARMUP)
        with ranks.shared(len(images)) as own:
            loss = flow.loss(tg.tensor(images[own], device=options.device), None if classes is None else classes[own])
            flow.optimizer.zero_grad()
            loss.backward()
            flow.optimizer.step()
            metrics = ranks.means({"loss": loss.item()})
        flow.average.update()
        return metrics

    def evaluate() -> dict[str, float]:
        done = (len(run.rows) + 1) * interval
        with flow.average.applied():
            snapshots[done] = as_images(flow.integrate(noise, labels, 0.0, math.ceil(options.sampling_steps / 2)))
        plotting.image_grid(snapshots[done], run.progress_figure("row"), columns=10)
        return {"steps": done}

    parts = {**flow.parts, "snapshots": snapshots}
    train(run, data.FixedSteps(loader, interval), step, epochs=rows, parts=parts, evaluate=evaluate)
    return snapshots


def draw(options: argparse.Namespace, run: Run, flow: Flow, snapshots: Snapshots) -> None:
    """A hundred samples, their path from noise, samples during training, and the loss."""
    classes = range(CLASSES) if options.digit is None else [options.digit]
    labels = np.repeat(classes, 100 // len(classes)) if flow.has_labels else None
    x, steps = flow.noise(100), options.sampling_steps
    frames = [as_images(x)]
    for k in range(steps):
        x = flow.integrate(x, labels, options.guidance, 1, start=k / steps, end=(k + 1) / steps)
        frames.append(as_images(x))
    of_classes = "all classes, one per row" if options.digit is None else f"class {options.digit}"
    caption = f"Samples: {of_classes}, guidance {options.guidance:g}." if flow.has_labels else "Samples."
    plotting.image_grid(frames[-1], run.figure("samples.png", caption), columns=10)
    moments = np.unique(np.linspace(0, steps, 10).round().astype(int))
    path = np.stack([frames[moment][::10] for moment in moments], axis=1)  # (10, moments, C, H, W)
    times = ", ".join(f"{moment / steps:.2g}" for moment in moments)
    caption = f"The paths of ten samples from noise, at t = {times}."
    plotting.image_grid(path.reshape(-1, *flow.shape), run.figure("path.png", caption), columns=len(moments))
    film(frames, run.figure("film.gif", "The samples on their path from noise, animated."))

    done, images = snapshots.rows(10)
    caption = f"Samples from the same noise after {', '.join(f'{step:,}' for step in done)} training steps."
    plotting.image_grid(images.reshape(-1, *flow.shape), run.figure("progress.png", caption), columns=CLASSES)
    panel = plotting.Panel(
        "The loss", "training steps", "mean square", {"loss": run.curve("loss", "steps")}, markers=False
    )
    plotting.panels([panel], run.figure("curve.png", "The loss during training."))


def film(frames: list[np.ndarray], path: Any) -> None:
    """Frames of a hundred images, uint8 (100, C, H, W) each, as a GIF file of ten rows; the last is shown longer."""
    pictures = []
    for images in frames:
        _, channels, height, width = images.shape
        rows = images.reshape(10, 10, channels, height, width).transpose(0, 3, 1, 4, 2)
        picture = Image.fromarray(rows.reshape(10 * height, 10 * width, channels).repeat(3 // channels, axis=2))
        pictures.append(picture.resize((20 * width, 20 * height), Image.Resampling.NEAREST))
    durations = [100] * (len(pictures) - 1) + [2000]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)


if __name__ == "__main__":
    main()
