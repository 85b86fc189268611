"""The players for grey images: shapes and names, and which of them treat an example by itself."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.models import DCGANCritic, DCGANGenerator, GreyCritic, GreyGenerator


def normalised(number, channels):
    """What PyTorch's state_dict names in a layer of batch normalisation."""
    return {f"layers.{number}.{name}": (channels,) for name in ("weight", "bias", "running_mean", "running_var")}


# What PyTorch's state_dict names, with the shapes, in models of the same structure.
GENERATOR = {
    "layers.0.weight": (4096, 128),
    "layers.0.bias": (4096,),
    **normalised(2, 256),
    "layers.4.weight": (256, 128, 5, 5),
    "layers.4.bias": (128,),
    **normalised(5, 128),
    "layers.7.weight": (128, 64, 5, 5),
    "layers.7.bias": (64,),
    **normalised(8, 64),
    "layers.10.weight": (64, 1, 5, 5),
    "layers.10.bias": (1,),
}
CRITIC = {
    "layers.0.weight": (64, 1, 5, 5),
    "layers.0.bias": (64,),
    **normalised(1, 64),
    "layers.3.weight": (128, 64, 5, 5),
    "layers.3.bias": (128,),
    **normalised(4, 128),
    "layers.6.weight": (256, 128, 5, 5),
    "layers.6.bias": (256,),
    **normalised(7, 256),
    "layers.10.weight": (1, 4096),
    "layers.10.bias": (1,),
}
CRITIC_BY_ITSELF = {
    "layers.0.weight": (64, 1, 5, 5),
    "layers.0.bias": (64,),
    "layers.2.weight": (128, 64, 5, 5),
    "layers.2.bias": (128,),
    "layers.4.weight": (256, 128, 5, 5),
    "layers.4.bias": (256,),
    "layers.7.weight": (1, 4096),
    "layers.7.bias": (1,),
}
DCGAN_GENERATOR = {
    "layers.0.weight": (2048, 100),
    "layers.0.bias": (2048,),
    **normalised(2, 128),
    "layers.4.weight": (128, 64, 4, 4),
    "layers.4.bias": (64,),
    **normalised(5, 64),
    "layers.7.weight": (64, 32, 4, 4),
    "layers.7.bias": (32,),
    **normalised(8, 32),
    "layers.10.weight": (32, 16, 4, 4),
    "layers.10.bias": (16,),
    **normalised(11, 16),
    "layers.13.weight": (16, 1, 4, 4),
    "layers.13.bias": (1,),
}
DCGAN_CRITIC = {
    "layers.0.weight": (16, 1, 4, 4),
    "layers.0.bias": (16,),
    **normalised(1, 16),
    "layers.3.weight": (32, 16, 4, 4),
    "layers.3.bias": (32,),
    **normalised(4, 32),
    "layers.6.weight": (64, 32, 4, 4),
    "layers.6.bias": (64,),
    **normalised(7, 64),
    "layers.9.weight": (128, 64, 4, 4),
    "layers.9.bias": (128,),
    **normalised(10, 128),
    "layers.13.weight": (1, 2048),
    "layers.13.bias": (1,),
}


@pytest.fixture(autouse=True)
def _seed():
    tg.manual_seed(0)


def shapes(model):
    return {name: array.shape for name, array in model.state_dict().items()}


def test_names_and_shapes_are_those_of_pytorch():
    assert shapes(GreyGenerator()) == GENERATOR
    assert shapes(GreyCritic()) == CRITIC
    assert shapes(GreyCritic(normalised=False)) == CRITIC_BY_ITSELF
    assert shapes(DCGANGenerator(width=16)) == DCGAN_GENERATOR
    assert shapes(DCGANCritic(width=16)) == DCGAN_CRITIC


@pytest.mark.parametrize(
    ("generator", "critic", "side"), [(GreyGenerator, GreyCritic, 28), (DCGANGenerator, DCGANCritic, 64)]
)
def test_images_lie_between_minus_one_and_one_and_get_a_score_each(generator, critic, side):
    made = generator(5, width=2)(10 * tg.randn(6, 5))
    assert made.shape == (6, 1, side, side)
    assert 0 < np.abs(made.numpy()).max() <= 1
    assert critic(width=2)(made).shape == (6, 1)


@pytest.mark.parametrize("normalised", [False, True])
def test_a_critic_without_normalisation_judges_each_image_by_itself(normalised):
    critic, images = GreyCritic(width=2, normalised=normalised), tg.tanh(tg.randn(4, 1, 28, 28))
    together = critic(images).numpy()
    one_by_one = np.concatenate([critic(images[i : i + 1]).numpy() for i in range(4)])
    assert np.allclose(together, one_by_one, rtol=1e-4, atol=1e-6) is not normalised


def test_a_dcgan_begins_at_narrow_normal_weights():
    for network in (DCGANGenerator(width=16), DCGANCritic(width=16)):
        drawn = np.concatenate([p.numpy().ravel() for p in network.parameters() if p.ndim > 1])
        tolerance = 4 / np.sqrt(2 * drawn.size)
        assert drawn.dtype == np.float32
        assert drawn.std() == pytest.approx(0.02, rel=tolerance)
        assert abs(drawn.mean()) < 0.02 * tolerance
        assert abs((drawn**4).mean() / drawn.var() ** 2 - 3) < 4 * np.sqrt(24 / drawn.size)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert (layer.weight.numpy() == 1).all()
