"""Every public function of data, models, objectives, training, divergences, evaluation and plotting answers wrong
arguments in one sentence of its own, or works: the names are enumerated, so a new one has to join the table."""

import inspect
import re
import shutil

import numpy as np
import pytest
from toy_vae import ToyVAE

import tinygen as tg
from tinygen import data, divergences, evaluation, models, objectives, plotting, training
from tinygen.data import samplers
from tinygen.objectives import GAMES, NoisyLabels
from tinygen.optim import Adam
from tinygen.training.classifier import accuracy, as_input, probabilities

rng = np.random.default_rng(0)
GREYS = rng.integers(0, 256, (12, 1, 28, 28), np.uint8)
COLOURS = rng.integers(0, 256, (12, 3, 32, 32), np.uint8)
COINS = rng.random((12, 1, 2, 3)) < 0.5
BITS = COINS[:3].reshape(3, 6).astype("float32")
M2 = models.M2(6, 3, latent_size=2, hidden=(4,))
FEATURES = rng.normal(size=(40, 3))
POINTS = rng.normal(size=(6, 2))
DATASET = data.Dataset(COLOURS, np.arange(12) % 10)
PROBABILITIES = rng.random((12, 10))
NETWORK = models.MLP(3, 4)


class Squares(tg.nn.Module):
    """A generator of images (N, 1, 2, 2) from four numbers."""

    def forward(self, z):
        return tg.reshape(z, (len(z), 1, 2, 2))


def players():
    generator, critic = models.MLP(3, 2), models.MLP(2)
    optimizers = (Adam(player.parameters()) for player in (generator, critic))
    return {"game": GAMES["minimax"], "generator": generator, "critic": critic, "latent_size": 3} | dict(
        zip(("generator_optimizer", "critic_optimizer"), optimizers, strict=True)
    )


def vae_training():
    model = ToyVAE()
    loader = data.DataLoader(data.Dataset(COINS), 6)
    return {"run": None, "model": model, "loader": loader, "optimizer": Adam(model.parameters()), "epochs": 1}


def gaussian(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


LOG_WEIGHTS = {
    "model": ToyVAE(),
    "x": COINS,
    "z": np.zeros((12, 2, 1)),
    "mean": np.zeros((12, 1)),
    "logvar": np.zeros((12, 1)),
}
GAUSSIANS = {"mu_p": 0.0, "sigma_p": 1.0, "mu_q": 1.0, "sigma_q": 2.0}
ESTIMATE = {"p": samplers.standard_gaussian, "q": samplers.standard_gaussian, "steps": 1, "batch_size": 2, "samples": 4}
GAME = {"real_loss": tg.exp, "fake_loss": tg.exp, "sample_loss": tg.exp}
PICTURES = {"images": GREYS, "path": "figure.png"}

CASES = {  # a right call of each: the function -> its arguments, or a function that makes them
    data.Dataset: {"images": GREYS, "labels": np.arange(12)},
    data.DataLoader: {"dataset": DATASET, "batch_size": 4},
    data.FixedSteps: {"loader": data.DataLoader(DATASET, 4), "steps": 2},
    data.as_bytes: {"images": np.zeros((2, 3))},
    data.binarize: {"images": GREYS, "seed": 1},
    data.to_tanh_range: {"images": GREYS},
    data.load: {"name": "strokes", "split": "test", "limit": 2},
    data.names: {},
    data.resized: {"images": GREYS, "side": 14},
    data.evenly_spaced: {"images": GREYS, "count": 3},
    samplers.line: {"theta": 1.0},
    samplers.line(1.0): {"n": 3},
    samplers.uniform: {"n": 3},
    samplers.standard_gaussian: {"n": 3},
    samplers.standard_gaussian_density: {"x": POINTS},
    samplers.distribution4: {"n": 3},
    samplers.distribution4_density: {"y": POINTS},
    samplers.GaussianMixture: {"centres": POINTS, "scale": 1.0},
    samplers.ring: {"modes": 3, "radius": 1.0, "scale": 0.1},
    samplers.grid: {"side": 3, "spacing": 1.0, "scale": 0.1},
    samplers.ring(): {"n": 3},
    samplers.ring().nearest: {"points": POINTS},
    samplers.two_moons: {"n": 3, "noise": 0.1},
    samplers.spiral: {"n": 3, "turns": 1.0, "noise": 0.1},
    models.MLP: {"inputs": 2, "outputs": 1, "hidden": (3,), "activation": tg.nn.ELU, "zero_init_last": True},
    models.MLPVAE: {"latent_size": 2, "hidden": (3,), "image_shape": (1, 2, 2), "output_bias": 0.0},
    models.ConvVAE: {"latent_size": 2},
    models.M2: {"inputs": 6, "classes": 3, "latent_size": 2, "hidden": (4,), "pixels": models.BernoulliPixels()},
    M2.log_posterior: {"x": BITS},
    M2.encode: {"x": BITS, "labels": np.arange(3)},
    M2.decode: {"z": np.zeros((3, 2)), "labels": np.arange(3)},
    M2.elbo: {"x": BITS, "labels": np.arange(3)},
    M2.elbos: {"x": BITS},
    M2.marginal_elbo: {"x": BITS},
    M2.loss: {"x": BITS, "labels": np.arange(3), "unlabelled": BITS, "labelled_share": 0.1, "alpha": 1.0},
    models.ColourVAE: {"latent_size": 2, "pixels": models.GaussianPixels(), "width": 2},
    models.Generator: {"latent_size": 2, "width": 2},
    models.Critic: {"outputs": 2, "width": 2},
    models.GreyGenerator: {"latent_size": 2, "width": 2},
    models.GreyCritic: {"width": 2, "normalised": True},
    models.DCGANGenerator: {"latent_size": 2, "width": 2},
    models.DCGANCritic: {"width": 2},
    models.UNet: {"channels": 1, "widths": (2, 4), "classes": 3, "embedding": 4},
    models.UNet(1, (2,), 3, 4).guided: {"labels": np.array([0, 3]), "weight": 1.0},
    models.GaussianPixels: {"variance": 1.0, "learned": True},
    models.BernoulliPixels: {},
    models.DigitClassifier: {},
    models.SVHNClassifier: {},
    models.Classifier: {},
    models.VAE: {},
    ToyVAE().sample: {"n": 2},
    ToyVAE().elbo: {"x": COINS},
    ToyVAE().elbo_terms: {"x": COINS},
    ToyVAE().iwae: {"x": COINS, "num_samples": 2},
    models.MADE: {"inputs": 2, "hidden": (3,), "activation": tg.nn.ELU, "order": [1, 0]},
    models.MADE(2).sample: {"n": 2},
    models.MADE(2).log_likelihood: {"x": np.eye(2)},
    objectives.Game: {
        **GAME,
        "penalty_weight": 1.0,
        "clip": 1.0,
        "n_critic": 2,
        "has_labels": True,
        "labels": NoisyLabels(),
    },
    objectives.NoisyLabels: {"usual": (0.7, 1.2), "flipped": (0.0, 0.3), "share_flipped": 0.1},
    objectives.interpolates: {"real": POINTS, "fake": POINTS},
    objectives.gradient_norms: {"critic": models.MLP(2), "x": POINTS.astype("f")},
    objectives.gradient_penalty: {"critic": models.MLP(2), "real": POINTS.astype("f"), "fake": POINTS.astype("f")},
    objectives.lipschitz_penalty: {"critic": models.MLP(2), "real": POINTS.astype("f"), "fake": POINTS.astype("f")},
    training.fixed_latents: {"n": 2, "latent_size": 3},
    training.GAN: players,
    training.GAN(**players()).train_step: {"real": POINTS},
    training.GAN(**players()).generate: {"z": np.zeros((2, 3)), "averaged": True, "batch_size": 2},
    training.Snapshots().__setitem__: {"moment": 1, "images": GREYS},
    training.train_vae: vae_training,
    as_input: {"images": GREYS, "model": models.DigitClassifier()},
    probabilities: {"model": models.DigitClassifier(), "images": GREYS, "batch_size": 5},
    accuracy: {"model": models.SVHNClassifier(), "dataset": DATASET},
    divergences.density_from_discriminator: {
        "discriminator": models.MLP(1),
        "base_density": gaussian,
        "x": np.zeros(3),
    },
    divergences.estimate_f_divergence: {"name": "pearson", **ESTIMATE, "learning_rate": 0.1, "network": models.MLP(1)},
    divergences.estimate_jensen_shannon: ESTIMATE,
    divergences.estimate_squared_hellinger: ESTIMATE,
    divergences.estimate_wasserstein: {**ESTIMATE, "penalty": "clip", "penalty_weight": 1.0, "clip": 0.1},
    divergences.measure_wasserstein: {"critic": models.MLP(1), "p": ESTIMATE["p"], "q": ESTIMATE["q"], "samples": 4},
    divergences.jensen_shannon_by_quadrature: {"p": gaussian, "q": gaussian, "low": -9.0, "high": 9.0, "points": 101},
    divergences.kullback_leibler_of_gaussians: GAUSSIANS,
    divergences.pearson_of_gaussians: GAUSSIANS,
    divergences.squared_hellinger_of_gaussians: GAUSSIANS,
    divergences.wasserstein_of_gaussians: GAUSSIANS,
    divergences.jensen_shannon_of_lines: {"theta": 1.0},
    divergences.squared_hellinger_of_lines: {"theta": 1.0},
    divergences.wasserstein_of_lines: {"theta": 1.0},
    evaluation.elbo: {"model": ToyVAE(), "images": COINS, "batch_size": 5},
    evaluation.log_likelihood: {"model": ToyVAE(), "x": COINS, "z": np.zeros((12, 2, 1))},
    evaluation.log_weights: LOG_WEIGHTS,
    evaluation.estimate_log_likelihood: {"model": ToyVAE(), "images": COINS, "num_samples": 2, "batch_size": 5},
    evaluation.measure_likelihoods: {
        "model": ToyVAE(),
        "splits": {"a": COINS},
        "num_samples": 2,
        "likelihood_images": 3,
    },
    evaluation.effective_sample_size: {"log_weights": FEATURES},
    evaluation.encode: {"model": ToyVAE(), "images": COINS, "batch_size": 5},
    evaluation.reconstruct: {"model": ToyVAE(), "images": COINS},
    evaluation.interpolate: {"model": ToyVAE(), "start": COINS, "end": COINS, "steps": 3},
    evaluation.manifold: {"model": ToyVAE(2), "side": 3},
    evaluation.active_units: {"model": ToyVAE(), "images": COINS, "threshold": 0.01},
    evaluation.traversals: {"generator": Squares(), "z": np.zeros(4), "steps": [0.0, 1.0]},
    evaluation.effects: {"traversals": np.zeros((4, 2, 1, 2, 2)), "original": np.zeros((1, 2, 2))},
    evaluation.interpolate_latents: {"generator": Squares(), "z0": np.ones((2, 4)), "z1": np.ones((2, 4)), "steps": 3},
    evaluation.interpolate_images: {"generator": Squares(), "z0": np.ones((2, 4)), "z1": np.ones((2, 4)), "steps": 3},
    evaluation.slerp: {"z0": np.ones((2, 4)), "z1": np.ones((2, 4)), "alpha": 0.5},
    evaluation.generate: {"generator": Squares(), "z": np.ones((2, 4)), "batch_size": 1},
    evaluation.image_features: {"classifier": models.DigitClassifier(), "images": GREYS, "batch_size": 5},
    evaluation.prediction_statistics: {"classifier": models.DigitClassifier(), "images": GREYS},
    evaluation.sort_by_class: {"images": GREYS, "probabilities": PROBABILITIES, "count": 2, "blank": 255.0},
    evaluation.least_recognisable: {"images": GREYS, "probabilities": PROBABILITIES, "count": 2},
    evaluation.evaluate_samples: {"classifier": models.SVHNClassifier(), "samples": COLOURS, "test_set": DATASET},
    evaluation.nearest: {"samples": GREYS, "images": GREYS, "value_range": (0.0, 1.0)},
    evaluation.mode_coverage: {"samples": POINTS, "mixture": samplers.ring(), "deviations": 3.0, "fair_part": 0.1},
    evaluation.calculate_fid_score: {"sample_features": FEATURES, "test_features": FEATURES},
    evaluation.calculate_kid_score: {"sample_features": FEATURES, "test_features": FEATURES, "blocks": 2},
    evaluation.kid_blocks: {"samples": 10, "test_images": 10, "most": 3},
    evaluation.precision_recall: {"sample_features": FEATURES, "test_features": FEATURES, "k": 2},
    evaluation.density_coverage: {"sample_features": FEATURES, "test_features": FEATURES, "k": 2},
    evaluation.memorisation: {
        "sample_features": FEATURES,
        "test_features": FEATURES,
        "training_features": FEATURES,
    },
    evaluation.fid_standard_error: {"sample_features": FEATURES, "test_features": FEATURES, "resamples": 2},
    evaluation.fid_infinity: {
        "sample_features": FEATURES,
        "test_features": FEATURES,
        "sizes": 2,
        "smallest": 20,
        "shuffles": 2,
        "resamples": 2,
    },
    evaluation.frechet_distance: {"mu_p": np.zeros(2), "cov_p": np.eye(2), "mu_q": np.zeros(2), "cov_q": np.eye(2)},
    evaluation.write_images: {"images": COLOURS, "folder": "written"},
    evaluation.read_images: {"folder": "images", "side": 8},
    evaluation.load_weights: {"network": models.DigitClassifier(), "path": "classifier.h5", "part": "model"},
    evaluation.load_classifier: {"path": "classifier.h5", "make": models.DigitClassifier},
    plotting.image_grid: {**PICTURES, "rows": 3, "columns": 4, "title": "t", "value_range": (0.0, 255.0)},
    plotting.pairs_grid: {
        "originals": GREYS,
        "reconstructions": GREYS,
        "path": "figure.png",
        "columns": 2,
        "title": "t",
    },
    plotting.interpolation_grid: {"images": GREYS[None], "path": "figure.png", "title": "t"},
    plotting.strips: {"images": GREYS[None]},
    plotting.curves: {
        "metrics": [{"epoch": 1, "a": 2.0}],
        "path": "figure.png",
        "names": ["a"],
        "x": "epoch",
        "references": {"b": 1.0},
    },
    plotting.panels: {"parts": [plotting.Panel("t", "x", "y", {"a": ([1], [2])})], "path": "figure.png", "columns": 1},
    plotting.fid_lines: {
        "fits": {"a": evaluation.FIDInfinity(1.0, 1.0, 1.0, np.array([2, 3]), np.array([1.0, 2.0]))},
        "path": "figure.png",
        "title": "t",
    },
    plotting.scatter: {"points": POINTS, "labels": np.arange(6), "path": "figure.png", "title": "t"},
    plotting.fields: {
        "parts": [plotting.Field("t", np.zeros((2, 2)), POINTS, POINTS)],
        "path": "figure.png",
        "reach": 1.0,
        "columns": 1,
    },
    plotting.field_animation: {
        "frames": [[plotting.Field("t", np.zeros((2, 2)), POINTS, POINTS)]],
        "path": "figure.gif",
        "reach": 1.0,
        "seconds": 0.1,
    },
}

OTHERS = {  # public names without a case here: the loop, a run's folder and the options have tests of their own
    *("Reference", "Run", "common_arguments", "likelihood_arguments", "load_splits", "print_results", "print_table"),
    *("progress", "train"),
    *(
        "FDivergence",
        "CriticTerms",
        "Snapshots",
        "load_or_train_classifier",
        "conduct",
        "interruptible",
        "refusing",
        "say",
    ),
}
WRONG = {
    "None": None,
    "a text": "text",
    "a mapping": {"a": 1},
    "an object": object(),
    "a module": NETWORK,
    "a class": dict,
    "nothing": [],
    "an empty array": np.zeros((0, 3)),
    "many axes": np.zeros((2, 1, 1, 1, 1, 1)),
    "a number": 3,
    "texts": np.array(["a", "b"]),
    "not a number": float("nan"),
    "a ragged list": [[1.0], [2.0, 3.0]],
}
INTERNAL = re.compile(
    r"has no attribute|NoneType|not supported between|unsupported operand|object is not|object cannot|positional arg"
    r"|index out of range|need at least one array|could not convert|builtins|inhomogeneous|ufunc|unhashable|unpack"
    r"|cannot reshape|must be real number|\b_[a-z]\w+\b"
)


each_function = pytest.mark.parametrize(
    ("function", "arguments"),
    [pytest.param(*case, id=getattr(case[0], "__name__", type(case[0]).__name__)) for case in CASES.items()],
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with what the calls read, where the calls write; the images there are of one size."""
    monkeypatch.chdir(tmp_path)
    evaluation.write_images(COLOURS[:2], "images")
    tg.save("classifier.h5", model=models.DigitClassifier().state_dict())


def ready(arguments):
    return dict(arguments()) if callable(arguments) else dict(arguments)


def finish(result):
    """Go through what is computed only when it is asked for."""
    return list(result) if inspect.isgenerator(result) else result


@pytest.mark.filterwarnings("ignore")
@each_function
def test_a_right_call_works_with_numpys_numbers_lists_and_tensors(function, arguments, tmp_path):
    def numpy_number(value):
        return np.int64(value) if type(value) is int else np.float32(value) if type(value) is float else value

    def as_list(value):
        return value.tolist() if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value

    def as_tensor(value):
        return tg.tensor(value) if isinstance(value, np.ndarray) else value

    for change in (lambda value: value, numpy_number, as_list, as_tensor):
        shutil.rmtree("written", ignore_errors=True)
        finish(function(**{name: change(value) for name, value in ready(arguments).items()}))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrong", WRONG)
@each_function
def test_a_wrong_argument_works_or_is_told_in_a_sentence_without_internal_names(function, arguments, wrong):
    for argument, right in ready(arguments).items():
        if callable(right) and callable(WRONG[wrong]):
            continue  # what a function of the user's raises is the user's
        answer = answer_of(function, {**ready(arguments), argument: WRONG[wrong]})
        assert not INTERNAL.search(answer), f"{argument}: {answer}"
        assert not answer or re.match(r"[A-Za-z]\w*: |\[Errno", answer), f"{argument}: {answer}"


def answer_of(function, arguments):
    """The message with which a call is refused, empty where it works."""
    try:
        finish(function(**arguments))
    except (TypeError, ValueError, OSError, NotImplementedError) as error:
        return str(error)
    return ""


@each_function
def test_numbers_that_are_none_are_refused(function, arguments):
    for argument, value in ready(arguments).items():
        wrong = {int: [2.5, "8", float("nan"), float("inf"), -1], float: ["8", float("nan"), 1j]}.get(type(value), [])
        for number in wrong:
            with pytest.raises((TypeError, ValueError), match=rf"^\w+: {argument} must be "):
                finish(function(**{**ready(arguments), argument: number}))


def test_every_public_name_has_a_case():
    modules = (data, samplers, models, objectives, training, divergences, evaluation, plotting)
    public = {
        member.__name__
        for module in modules
        for name, member in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or inspect.isclass(member))
        and member.__module__.startswith("tinygen.")
        and (hasattr(module, "__path__") or member.__module__ == module.__name__)
        and not (inspect.isclass(member) and issubclass(member, tuple))
    }
    tried = {getattr(function, "__name__", type(function).__name__) for function in CASES}
    assert public - tried - OTHERS == set()
