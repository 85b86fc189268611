"""Training a VAE: gradient ascent on the ELBO, with one sample of q(z|x) per image, or on the K-sample bound."""

from collections.abc import Callable, Mapping

from tinygen import ranks
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count, Finite, checked
from tinygen.data.loader import Batch
from tinygen.models import VAE
from tinygen.models.vae import as_images
from tinygen.operations.reductions import mean
from tinygen.optim import ExponentialMovingAverage, Optimizer
from tinygen.training.loop import Batches, Stateful, check_owned, train
from tinygen.training.run import Run


@checked
def train_vae(
    run: Run | None,
    model: VAE,
    loader: Batches[Batch],
    optimizer: Optimizer,
    *,
    epochs: Count,
    learning_rate: Callable[[int], float] | float | None = None,
    num_samples: Count | None = None,
    path_gradient: bool = False,
    kl_weight: Finite = 1.0,
    average: ExponentialMovingAverage | None = None,
    evaluate: Callable[[], Mapping[str, float]] = dict,
) -> list[dict[str, float]]:
    """Train ``model`` on ``loader``, batches of images (N, C, H, W), unchanged; returns the rows of metrics, one per
    epoch.

    The loss per image is -log p(x|z) + kl_weight KL(q(z|x) || p(z)), z ~ q(z|x), the negative ELBO where the weight is
    1 (other weights: Higgins et al. 2017); with ``num_samples`` it is the negative bound ``VAE.iwae`` of that many
    samples. ``path_gradient`` is that of ``VAE.elbo_terms`` and ``VAE.iwae``. ``learning_rate``: a number or a function
    of the step, counted from 0 over all epochs (default: the optimiser's); ``average``, if given, is updated after each
    step. The metrics, in nats per image: ``train_elbo``, whatever the weight, and ``train_kl``, whose sum is the
    reconstruction term E[log p(x|z)]; or ``train_iwae``; and those of ``evaluate()``.

    Raises ``ValueError`` where a batch's images have another shape than the model's, or are outside its
    ``pixel_range``, where ``optimizer`` or ``average`` is of another model, and for ``num_samples`` together with a
    ``kl_weight`` other than 1.
    """
    check_owned("train_vae", "optimizer", optimizer, model)
    if average is not None and average.module is not model:
        raise ValueError("train_vae: average must be the moving average of the model, it is another module's")

    if num_samples is not None and kl_weight != 1.0:
        raise ValueError(f"train_vae: kl_weight must be 1 where num_samples is given, got {kl_weight}")

    def step(batch: Batch, index: int) -> dict[str, float]:
        if learning_rate is not None:
            optimizer.lr = learning_rate(index) if callable(learning_rate) else learning_rate
        images = as_images("train_vae", model, batch[0])
        with ranks.shared(len(images)) as own:
            loss, metrics = _objective(model, images[own], num_samples, path_gradient, kl_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            metrics = ranks.means(metrics)
        if average is not None:
            average.update()
        return metrics

    parts: dict[str, Stateful] = {"model": model, "optimizer": optimizer}
    parts |= {} if average is None else {"average": average}
    return train(run, loader, step, epochs=epochs, parts=parts, evaluate=evaluate)


def _objective(model: VAE, x: Tensor, K: int | None, path: bool, weight: float) -> tuple[Tensor, dict[str, float]]:
    """The loss of images x (N, C, H, W), one number, and its metrics: K is the number of samples (None: the ELBO), path
    whether the encoder has the path gradient, weight that of the KL divergence."""
    if K is not None:
        bound = mean(model.iwae(x, K, path_gradient=path))
        return -bound, {"train_iwae": bound.item()}
    log_likelihood, kl = model.elbo_terms(x, path_gradient=path)
    negative_elbo = mean(kl - log_likelihood)
    loss = negative_elbo if weight == 1.0 else negative_elbo + mean(kl) * (weight - 1.0)
    return loss, {"train_elbo": -negative_elbo.item(), "train_kl": kl.numpy().mean()}
