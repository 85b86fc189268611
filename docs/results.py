"""Write docs/results.md from the files of docs/results: ``python docs/results.py``.

``docs/results/<benchmark>.json`` is written by ``benchmarks/record.py``: training steps here and in PyTorch.
``docs/results/examples/<example>.json`` holds the results of a whole run: title, command, date, commit, machine,
minutes on two cores, ``results`` (measure, tinygen, reference) and further ``tables``. The cells of all tables are
strings, the first row is the header. A benchmark without a file is left out.
"""

import json
import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "results.md"
CHART = "figures/speed.png"

EXAMPLES = (  # in the order of the first table
    "vae_mnist_plain",
    "vae_mnist",
    "vae_mnist_iwae",
    "vae_ladder",
    "made_mnist",
    "vae_mlp_mnist",
    "vae_manifold",
    "why_importance_sampling",
    "semi_supervised_m1",
    "semi_supervised_m2",
    "gan_fashion_mnist",
    "flow_images",
    "gan_quality",
    "dcgan_mnist",
    "wgan_gp_svhn",
    "vae_svhn",
    "toy_gan",
    "toy_flow",
    "estimate_divergences",
    "density_estimation",
    "make_vae",
)
ON_CPU = {  # benchmark -> what its steps train
    "vae_step": "convolutional VAE, ",
    "gradient_penalty_step": "convolutional critic with gradient penalty, ",
    "critic_step": "MLP critic with gradient penalty, ",
    "mlp_vae_step": "MLP VAE ",
    "gan_steps": "GAN: ",
    "house_numbers": "house numbers: ",
    "unet_step": "flow matching: ",
}
ON_GPU = {"gpu_steps": ""}

Table = Sequence[Sequence[str]]


class Step(NamedTuple):
    """A training step here and in PyTorch: milliseconds and peak memory in MB."""

    name: str
    ours: float
    theirs: float
    our_memory: float
    their_memory: float

    @property
    def ratio(self) -> float:
        """tinygen's time over PyTorch's."""
        return self.ours / self.theirs


def read(name: str) -> dict[str, Any]:
    """A file of docs/results; without any tables if it does not exist."""
    path = DOCS / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"tables": []}


def steps(benchmarks: dict[str, str]) -> Iterator[Step]:
    """The training steps of the benchmarks. A table with one row per configuration gives one step, the fastest
    configuration of each side; a table with the column "ratio" one per row."""
    for benchmark, subject in benchmarks.items():
        for header, *rows in read(benchmark)["tables"]:
            if header[-1] == "ratio":
                for name, *numbers, _ in rows:
                    yield Step(subject + name, *map(float, numbers))
            elif header[1:] == ["ms", "peak MB"]:
                sides = ([row for row in rows if row[0].startswith(side)] for side in ("tinygen", "PyTorch"))
                ours, theirs = (min(([float(ms), float(mb)] for _, ms, mb in side)) for side in sides)
                yield Step(subject + header[0].removeprefix("a step, "), ours[0], theirs[0], ours[1], theirs[1])


def mean_ratio(of: Sequence[Step]) -> float:
    """The geometric mean of the ratios."""
    return math.prod(step.ratio for step in of) ** (1 / len(of))


def markdown(table: Table) -> str:
    """A table in Markdown: the first column on the left, those whose cells are numbers on the right."""
    header, *rows = table
    columns = list(zip(*rows, strict=True))[1:]
    rulers = ["---:" if all(cell[:1] in "-0123456789" for cell in column) else "---" for column in columns]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, ["---", *rulers], *rows])


def paragraph(text: str) -> str:
    """A paragraph in lines of at most 120 characters."""
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def overview() -> Table:
    """The main results of all examples, the command and its minutes in the first row of each."""
    rows = [["model and data", "measure", "tinygen", "reference", "command", "minutes"]]
    for record in map(read, (f"examples/{name}" for name in EXAMPLES)):
        title, command, minutes = record["title"], f"`{record['command']}`", record["minutes"]
        for measure, ours, reference in record["results"]:
            rows.append([title, measure, ours, reference, command, minutes])
            title = command = minutes = ""
    return rows


def first_tables(*examples: str) -> Table:
    """The first tables of examples, whose columns are the same, as one."""
    (header, *rows), *others = (read(f"examples/{name}")["tables"][0] for name in examples)
    return [header, *rows, *(row for _, *further in others for row in further)]


def speed(of: Sequence[Step]) -> Table:
    """The times of training steps, their ratios, and the memory."""
    header = ["training step", "tinygen, ms", "PyTorch, ms", "ratio", "tinygen, MB", "PyTorch, MB"]
    rows = [
        [s.name, f"{s.ours:.1f}", f"{s.theirs:.1f}", f"{s.ratio:.2f}", f"{s.our_memory:.0f}", f"{s.their_memory:.0f}"]
        for s in of
    ]
    return [header, *rows]


def on_a_cpu() -> Iterator[str]:
    """The section on training steps on a CPU."""
    if not (measured := list(steps(ON_CPU))):
        return
    records = [record for record in map(read, ON_CPU) if record["tables"]]
    machines = "; ".join(dict.fromkeys(", ".join(record["machine"]) for record in records))
    scripts = ", ".join(f"`{name}.py`" for name in ON_CPU if read(name)["tables"])
    yield "### On a CPU"
    yield paragraph(f"""{machines}. Steps of tinygen and PyTorch alternate in one process, from the same weights, on the
        same batches; times are medians. PyTorch runs with contiguous and with channels-last images, with
        `Adam(fused=True)`, and each also compiled with `torch.compile`, except for the steps of GANs on grey images and
        of the models of house numbers: the fastest configuration counts. Memory is the peak above that after the
        imports, with the compilation where a step is compiled. The geometric mean of the ratios is
        **{mean_ratio(measured):.2f}**; below 1 tinygen is faster.""")
    yield markdown(speed(measured))
    yield paragraph(f'The scripts in `benchmarks/`, after `pip install -e ".[bench]"`: {scripts}.')
    if tables := read("operations")["tables"]:
        _, ours, theirs, ratio = tables[0][-1]
        yield paragraph(f"""Single operations of the convolutional VAE, each repeated on the same arrays, take {ours} ms
            in sum, in PyTorch {theirs} ms, a ratio of {ratio} (`python benchmarks/operations.py`).""")
    if tables := read("fid")["tables"]:
        (features, _), (_, ours), (_, theirs) = tables[0]
        yield paragraph(f"""The distance (FID) from {features} takes {float(ours):.0f} ms; with NumPy's covariances and
            SciPy's `sqrtm`, which need all features in memory, {float(theirs):.0f} ms (`python benchmarks/fid.py`).""")


def on_a_gpu() -> Iterator[str]:
    """The section on training steps on a GPU."""
    record, measured = read("gpu_steps"), list(steps(ON_GPU))
    yield "### On a GPU"
    yield paragraph(f"""{", ".join(record["machine"])}; float32 without TF32; PyTorch without compilation; measured on
        {record["date"]}. The geometric mean of the ratios is **{mean_ratio(measured):.2f}**. With batches of 64 most of
        the time is the processor's, which launches the kernels; with batches of 512 the critic's is the GPU's.
        `python benchmarks/gpu_steps.py` measures your GPU, `python -m pytest tests/gpu` tests it.""")
    yield markdown(speed(measured))


def sections() -> Iterator[str]:
    """The parts of the page, between which there are blank lines."""
    yield "# Results"
    yield paragraph("""Written by `python docs/results.py` from the files of [`docs/results`](results), which also name
        the date and the commit of each run and hold learning curves, ablations and further seeds. Seed 0, unless stated
        otherwise; ± is the standard error.""")
    yield "## Quality"
    yield markdown(overview())
    yield paragraph("""Minutes are those of the whole command on two cores of an AMD EPYC (AVX2), where not stated
        otherwise. The runs are of earlier commits than this page; what changed since are the last digits, by the order
        of sums. FID and KID use the features of the library's own classifiers.""")
    yield paragraph("""**The VAE, by seed.** Nats per image; log p(x) by importance sampling with K = 200. Plain recipe:
        Adam at 3e-4 throughout. Better recipe: Adam from 2e-3 to 0 on a cosine after a warm-up, beta2 = 0.99, the
        output bias at the log-odds of the data, and the path gradient. All choices were made on validation images.""")
    yield markdown(first_tables("vae_mnist", "vae_mnist_iwae"))
    yield paragraph("""**M1 and M2.** The latents of M1 are no better features for the SVM than the pixels and their
        principal components; M2 sees images of 14 x 14 pixels:""")
    yield markdown(first_tables("semi_supervised_m1", "semi_supervised_m2"))
    yield paragraph("""**GANs and flows on a ring of eight Gaussians.** Lower bounds of the divergences, by networks
        trained for this alone:""")
    yield markdown(first_tables("toy_gan", "toy_flow"))
    yield paragraph("""**House numbers.** The same generator in both models; 10 epochs of the WGAN-GP, 14 of the VAE;
        FID and KID by 512 features of a classifier with an accuracy of 99.8 %:""")
    yield markdown(read("examples/wgan_gp_svhn")["tables"][0])
    yield "## Training steps compared with PyTorch"
    yield f"![The times of training steps, divided by PyTorch's, as bars from 1 on a logarithmic axis]({CHART})"
    yield from on_a_cpu()
    yield from on_a_gpu()
    yield "## Limits"
    yield """\
- FIDs and KIDs can be compared where classifier, test set and number of samples agree, but not with published values,
  which use an Inception network.
- FIDs of GANs differ between seeds by a third of their mean: the difference between two single runs shows little.
- The fixed binarised MNIST is not comparable with dynamically binarised MNIST, on which likelihoods are 1 to 2 nats
  higher.
- The CPU is that of a virtual machine, whose speed varies with the load of its host: compare ratios, not times."""


def page() -> str:
    """The whole page."""
    return "\n\n".join(sections()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
