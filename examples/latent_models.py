"""The latent space of a trained VAE or generator: the model of a checkpoint, its images, and directions.

A checkpoint names the example that wrote it and the example's options, which together determine the network. Where a
run averaged its weights, the averaged ones are used, as in the example's figures.

Directions of a latent space with L dimensions, in descending order of their effect:

- of a VAE: the principal components of the encoded means m_n of N images. With the eigenvectors v_i and eigenvalues
  sigma_i^2 of their covariance, a latent is mean + sum_i s_i sigma_i v_i, s_i in standard deviations;
- of a generator without an encoder: the right singular vectors v_i of the weight W of its first layer, which is linear
  (SeFa; Shen and Zhou 2021). For z ~ N(0, I) the layer's output W z + b has the covariance W W^T, whose eigenvectors
  are W v_i / ||W v_i||, so the v_i are also the directions of GANSpace (Härkönen et al. 2020) for this layer. Each has
  standard deviation 1 under the prior.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygen import checkpoint, data, evaluation, nn
from tinygen.autograd.tensor import Tensor
from tinygen.models import MLPVAE, VAE, ColourVAE, ConvVAE, DCGANGenerator, GaussianPixels, Generator, GreyGenerator
from tinygen.optim import ExponentialMovingAverage
from tinygen.training.run import CHECKPOINT

ENCODED = 2_000  # test images whose encodings are computed
Settings = Mapping[str, Any]  # option of the example -> value
Weights = Mapping[str, Any]  # name -> array


class Kind(NamedTuple):
    """The ``network`` that an example trains, with its options and stored weights, and the network's ``pixels``: a
    function of the options and images, uint8 or bool (N, C, H, W), to floating-point images."""

    network: Callable[[Settings, Weights], nn.Module]
    pixels: Callable[[Settings, np.ndarray], np.ndarray]


def binary(options: Settings, images: np.ndarray) -> np.ndarray:
    """0 and 1, (N, 1, 28, 28)."""
    return data.binarize(images).astype(np.float32)


def binary_or_mean(options: Settings, images: np.ndarray) -> np.ndarray:
    """0 and 1, or grey values from 0 to 1, (N, 1, 28, 28)."""
    return binary(options, images) if options["pixels"] == "binary" else images / np.float32(255)


def tanh_range(options: Settings, images: np.ndarray) -> np.ndarray:
    """From -1 to 1, (N, C, H, W)."""
    return data.to_tanh_range(images)


def reduced(options: Settings, images: np.ndarray) -> np.ndarray:
    """Grey values from 0 to 1, (N, 1, side, side)."""
    return data.resized(images, options["side"]) / np.float32(255)


def enlarged(options: Settings, images: np.ndarray) -> np.ndarray:
    """From -1 to 1, (N, 1, 64, 64)."""
    return data.to_tanh_range(data.resized(images, 64))


KINDS = {
    "vae_mnist": Kind(lambda options, weights: ConvVAE(100), binary),
    "vae_mlp_mnist": Kind(lambda options, weights: MLPVAE(100, (300, 300)), binary),
    "vae_manifold": Kind(  # the run trains two models, which differ in the number of latents
        lambda options, weights: MLPVAE(weights["decoder.0.weight"].shape[1], (500,), nn.ReLU), binary
    ),
    "semi_supervised_m1": Kind(lambda options, weights: MLPVAE(50, (600, 600), nn.Softplus), binary_or_mean),
    "semi_supervised_m2": Kind(  # the VAE in the folder m1 of a run with --features latents
        lambda options, weights: MLPVAE(50, (300, 300), nn.ReLU, (1, options["side"], options["side"])), reduced
    ),
    "vae_svhn": Kind(
        lambda options, weights: ColourVAE(100, GaussianPixels(learned=options["variance"] == "learned")), tanh_range
    ),
    "gan_fashion_mnist": Kind(lambda options, weights: GreyGenerator(128, options["width"]), tanh_range),
    "dcgan_mnist": Kind(lambda options, weights: DCGANGenerator(100, options["width"]), enlarged),
    "wgan_gp_svhn": Kind(lambda options, weights: Generator(100), tanh_range),
}
WITHOUT = {  # example -> why its model is not such a generator
    "vae_ladder": "its latents are images, and the distribution of each layer depends on the sample of those above",
    "semi_supervised_m2": "M2 decodes a class together with the latents (the VAE in a folder m1 fits)",
    "made_mnist": "MADE has no latents",
    "flow_images": "a sample is the solution of a differential equation, not the output of a decoder",
    "classify_svhn": "a classifier generates no images",
    "toy_gan": "its samples are points in the plane",
    "toy_flow": "its samples are points in the plane",
}


class PixelMeans(nn.Module):
    """The decoder of ``vae`` as a generator: latents (N, latent_size) to the means of p(x|z), (N, C, H, W)."""

    def __init__(self, vae: VAE) -> None:
        self.vae = vae

    def forward(self, z: Tensor) -> Tensor:
        return self.vae.pixel_means(self.vae.decode(z))


class Model(NamedTuple):
    """A trained ``generator``, latents (N, latent_size) to images (N, C, H, W) in ``pixel_range``, the ``vae`` that it
    is the decoder of, if there is one, and the ``example`` and options (``settings``) of its training."""

    generator: nn.Module
    vae: VAE | None
    latent_size: int
    pixel_range: tuple[float, float]
    example: str
    settings: Settings

    def pixels(self, images: np.ndarray) -> np.ndarray:
        """``images``, uint8 or bool (N, C, H, W), as those that the model was trained on: (N, C, H, W), float32."""
        return KINDS[self.example].pixels(self.settings, images)


def load_model(path: Path) -> Model:
    """The model in a run's folder or in a file .h5 of it.

    Raises ``ValueError`` that names the file where it holds none that fits, and the errors of ``checkpoint.load``.
    """
    path = file_of_weights(path)
    content = checkpoint.load(path)
    settings = settings_of(path, content)
    example = Path(str(settings.get("example"))).stem
    if example not in KINDS:
        reason = f", whose model does not fit: {WITHOUT[example]}" if example in WITHOUT else ""
        raise ValueError(f"{path} was written by {example}.py{reason}; expected a model of {', '.join(KINDS)}")
    parts = content.get("parts", content)
    part = "model" if "model" in parts else "generator"
    try:
        network = KINDS[example].network(settings, parts.get(part, {}))
        evaluation.load_weights(network, path, part)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = WITHOUT.get(example, "a classifier of the run, or a model of another version")
        raise ValueError(f"{path} does not hold a decoder of {example}.py, but other weights: {reason}") from error
    if "average" in parts:
        use_average(network, parts["average"])
    if isinstance(network, VAE):
        return Model(
            PixelMeans(network), network, network.latent_size, network.pixel_range or (0, 1), example, settings
        )
    return Model(network, None, first_weight(network).shape[1], (-1.0, 1.0), example, settings)


def file_of_weights(path: Path) -> Path:
    """``path``, or the checkpoint in the folder ``path``; ``ValueError`` where the folder has none."""
    if not path.is_dir():
        return path
    for name in (CHECKPOINT, "model.h5"):
        if (path / name).exists():
            return path / name
    inner = sorted(file.parent.name for file in path.glob(f"*/{CHECKPOINT}") if file.parent.name != "classifier")
    hint = f", but its folders {', '.join(inner)} do: name one of them" if inner else ""
    raise ValueError(f"{path} holds no {CHECKPOINT} and no model.h5{hint}")


def settings_of(path: Path, content: Mapping[str, Any]) -> Settings:
    """The settings in a checkpoint; for a file of weights alone, which has none, those in the checkpoint beside it.

    Raises ``ValueError`` where there are none, naming the file.
    """
    beside = path.with_name(CHECKPOINT)
    if "settings" not in content and beside.exists():
        content = checkpoint.load(beside)
    settings = content.get("settings")
    if not isinstance(settings, Mapping) or "example" not in settings:
        raise ValueError(
            f"{path} does not name the example that wrote it, and there is no {CHECKPOINT} beside it that does; "
            "expected the folder of a run, or its checkpoint"
        )
    return settings


def use_average(network: nn.Module, state: dict[str, Any]) -> None:
    """Set the weights of ``network`` to the average in ``state``, that of an ``ExponentialMovingAverage``."""
    average = ExponentialMovingAverage(network)
    average.load_state_dict(state)
    with average.applied():
        averaged = network.state_dict()
    network.load_state_dict(averaged)


def first_weight(generator: nn.Module) -> np.ndarray:
    """The weight (M, L) of the first layer of ``generator``, which is linear."""
    weight: np.ndarray = generator.parameters()[0].numpy()
    return weight


class Directions(NamedTuple):
    """Orthonormal directions ``vectors`` (K, L) with their standard deviations ``scales`` (K,), the ``origin`` (L,),
    and the ``shares`` (K,) of the variance that each explains."""

    origin: np.ndarray
    vectors: np.ndarray
    scales: np.ndarray
    shares: np.ndarray


def principal_directions(means: np.ndarray, count: int) -> Directions:
    """The ``count`` principal components of encoded means (N, L). Raises ``ValueError`` for fewer than two."""
    if len(means) < 2:
        raise ValueError(f"principal directions need the encodings of 2 or more images, got {len(means)}")
    variances, vectors = np.linalg.eigh(np.atleast_2d(np.cov(means.T)))
    variances, vectors = variances[::-1].clip(0), oriented(vectors.T[::-1])
    shares = variances / max(variances.sum(), np.finfo(float).tiny)
    return Directions(means.mean(axis=0), vectors[:count], np.sqrt(variances[:count]), shares[:count])


def weight_directions(weight: np.ndarray, count: int) -> Directions:
    """The ``count`` right singular vectors of a weight (M, L) with the largest singular values."""
    _, values, vectors = np.linalg.svd(weight, full_matrices=False)
    shares = np.square(values) / np.square(values).sum()
    vectors = oriented(vectors)[:count]
    return Directions(np.zeros(weight.shape[1]), vectors, np.ones(len(vectors)), shares[:count])


def oriented(vectors: np.ndarray) -> np.ndarray:
    """Rows v or -v of ``vectors`` (K, L): the largest component is positive, so that the sign is unique."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    signed: np.ndarray = vectors * np.sign(largest)
    return signed


class LatentSpace:
    """A model, its data and its directions: read by all pages, changed by none.

    ``train`` and ``test`` are images (N, C, H, W) as the model was trained on, ``labels`` and ``means`` those of the
    test images, labels (N,), 0 where the data have none, and encodings (N, L). The last three are None without an
    encoder.

    Raises ``ValueError`` for data of another shape than the model's, and the errors of ``data.load``.
    """

    def __init__(self, model: Model, name: str, root: Path | None, limit: int, count: int) -> None:
        self.model, self.data = model, name
        self.train = self._pixels(data.load(name, "train", root=root, limit=limit))
        self.test: Any = None
        self.means: Any = None
        self.labels: Any = None
        if model.vae is None:
            self.directions = weight_directions(first_weight(model.generator), count)
            return
        test = data.load(name, "test", root=root)
        test = test[data.evenly_spaced(np.arange(len(test)), min(limit, ENCODED))]
        self.test = self._pixels(test)
        self.labels = np.zeros(len(test), int) if test.labels is None else test.labels
        self.means = evaluation.encode(model.vae, self.test)[0]
        self.directions = principal_directions(self.means, count)

    def _pixels(self, dataset: data.Dataset) -> np.ndarray:
        shape = self.decode(np.zeros((1, self.model.latent_size))).shape[1:]
        try:
            images = self.model.pixels(dataset.images)
        except ValueError as error:
            raise ValueError(f"{dataset.name} does not fit the model of {self.model.example}.py: {error}") from error
        if images.shape[1:] != shape:
            raise ValueError(
                f"{dataset.name} does not fit the model of {self.model.example}.py: images are {images.shape[1:]}, "
                f"expected {shape}"
            )
        return images

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Images (N, C, H, W) of latents z (N, L)."""
        return evaluation.generate(self.model.generator, z)

    def encode(self, image: np.ndarray) -> np.ndarray:
        """The mean of q(z|x), (L,), of an image (C, H, W)."""
        assert self.model.vae is not None
        mean: np.ndarray = evaluation.encode(self.model.vae, image[None])[0][0]
        return mean

    def nearest(self, image: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The indices of the ``count`` training images nearest to ``image`` (C, H, W), in ascending order of their
        distance, the root mean square difference of the pixels: (count,) and (count,)."""
        differences = (self.train - image).reshape(len(self.train), -1)
        squares = np.einsum("nd,nd->n", differences, differences) / differences.shape[1]
        indices = np.argsort(squares)[:count]
        return indices, np.sqrt(squares[indices])
