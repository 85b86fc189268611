"""VAEs of perceptrons: the papers' networks layer by layer, and their parameters as PyTorch's twins have them."""

import math

import numpy as np
import pytest
from scipy import special

import tinygen as tg
from tinygen import nn
from tinygen.models import MLPVAE
from tinygen.optim import Adam

# The names and shapes of torch.nn.Sequential(Flatten, Linear, bend, ...) and (Linear, bend, ..., Unflatten).
RECORDED = {
    "two hidden layers of 300 ELUs": (
        {"latent_size": 100},
        {
            "encoder.1.weight": (300, 784),
            "encoder.1.bias": (300,),
            "encoder.3.weight": (300, 300),
            "encoder.3.bias": (300,),
            "encoder.5.weight": (200, 300),
            "encoder.5.bias": (200,),
            "decoder.0.weight": (300, 100),
            "decoder.0.bias": (300,),
            "decoder.2.weight": (300, 300),
            "decoder.2.bias": (300,),
            "decoder.4.weight": (784, 300),
            "decoder.4.bias": (784,),
        },
    ),
    "500 ReLUs, a plane": (
        {"latent_size": 2, "hidden": (500,), "activation": nn.ReLU},
        {
            "encoder.1.weight": (500, 784),
            "encoder.1.bias": (500,),
            "encoder.3.weight": (4, 500),
            "encoder.3.bias": (4,),
            "decoder.0.weight": (500, 2),
            "decoder.0.bias": (500,),
            "decoder.2.weight": (784, 500),
            "decoder.2.bias": (784,),
        },
    ),
    "500 ReLUs, 20 latent numbers": (
        {"latent_size": 20, "hidden": (500,), "activation": nn.ReLU},
        {
            "encoder.1.weight": (500, 784),
            "encoder.1.bias": (500,),
            "encoder.3.weight": (40, 500),
            "encoder.3.bias": (40,),
            "decoder.0.weight": (500, 20),
            "decoder.0.bias": (500,),
            "decoder.2.weight": (784, 500),
            "decoder.2.bias": (784,),
        },
    ),
    "two hidden layers of 600 softplus units": (
        {"latent_size": 50, "hidden": (600, 600), "activation": nn.Softplus},
        {
            "encoder.1.weight": (600, 784),
            "encoder.1.bias": (600,),
            "encoder.3.weight": (600, 600),
            "encoder.3.bias": (600,),
            "encoder.5.weight": (100, 600),
            "encoder.5.bias": (100,),
            "decoder.0.weight": (600, 50),
            "decoder.0.bias": (600,),
            "decoder.2.weight": (600, 600),
            "decoder.2.bias": (600,),
            "decoder.4.weight": (784, 600),
            "decoder.4.bias": (784,),
        },
    ),
}
OPTIONS = {name: options for name, (options, _) in RECORDED.items()}


@pytest.mark.parametrize(("options", "shapes"), RECORDED.values(), ids=RECORDED)
def test_names_and_shapes_of_parameters_are_those_of_pytorchs_twins(options, shapes):
    state = MLPVAE(**options).state_dict()
    assert [(name, array.shape) for name, array in state.items()] == list(shapes.items())


def test_layers_lead_in_through_the_widths_and_out_through_them_reversed():
    model = MLPVAE(2, hidden=(7, 5), activation=nn.Softplus, image_shape=(3, 4, 2))
    names = [[type(layer).__name__ for layer in layers] for layers in (model.encoder, model.decoder)]
    inner = ["Linear", "Softplus", "Linear", "Softplus", "Linear"]
    assert names == [["Flatten", *inner], [*inner, "Unflatten"]]
    assert [layer.out_features for layer in model.decoder if isinstance(layer, nn.Linear)] == [5, 7, 24]
    mean, logvar, decoded = model(tg.rand(6, 3, 4, 2))
    assert mean.shape == logvar.shape == (6, 2)
    assert decoded.shape == (6, 3, 4, 2)
    assert model.sample(3).shape == (3, 3, 4, 2)


def test_the_output_bias_is_where_the_logits_begin(seeded):
    plain, dark = MLPVAE(4), None
    tg.manual_seed(0)
    dark = MLPVAE(4, output_bias=-5.0)
    z = tg.randn(50, 4)
    assert (dark.decoder[-2].bias.numpy() == -5).all()
    assert abs(dark.decode(z).numpy().mean() + 5) < 0.1
    assert dark.pixel_means(dark.decode(z)).numpy().mean() == pytest.approx(special.expit(-5), rel=0.1)
    assert abs(plain.decode(z).numpy().mean()) < 0.1
    np.testing.assert_array_equal(dark.encoder[1].weight.numpy(), plain.encoder[1].weight.numpy())


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_one_takes_a_few_steps_where_nothing_leaves_the_gpu(gpu, options, seeded):
    images = np.random.default_rng(0).integers(0, 2, (4, 1, 28, 28))
    losses = {}
    for device in (gpu, "cpu"):
        tg.manual_seed(0)
        model = MLPVAE(**options).to(device)
        optimizer, losses[device] = Adam(model.parameters()), []
        for _ in range(3):
            loss = -tg.mean(model.elbo(tg.tensor(images, dtype="float32", device=device)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[device].append(loss.item())
        assert {parameter.device for parameter in model.parameters()} == {"cpu" if device == "cpu" else "gpu:0"}
    np.testing.assert_allclose(losses[gpu], losses["cpu"], rtol=1e-4)
    assert losses["cpu"][0] == pytest.approx(784 * math.log(2), rel=0.08)  # it begins by guessing
    assert losses["cpu"][2] < losses["cpu"][0] - 2
