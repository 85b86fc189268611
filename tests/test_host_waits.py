"""A GPU works on while the host prepares what comes next, unless the host asks for a number: then both stand still.

So a training step asks for none but its loss. The fake device counts the questions.
"""

import numpy as np
import pytest
from test_devices import Critic, critic_loss
from toy_vae import ToyVAE

import tinygen as tg
import tinygen.functional as F
from tinygen import evaluation, nn, optim
from tinygen.models import ConvVAE


@pytest.fixture
def waits(fake_gpu):
    """What made the host wait, and how often, since it was last cleared."""
    fake_gpu.host_waits.clear()
    return fake_gpu.host_waits


def test_a_vae_step_waits_for_its_loss_alone(waits):
    model = ConvVAE(latent_size=3).to("gpu")
    optimizer = optim.Adam(model.parameters())
    average = optim.ExponentialMovingAverage(model)
    for _ in range(2):
        loss = -tg.mean(model.elbo(tg.tensor(np.zeros((1, 1, 28, 28), "float32"), device="gpu")))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
    assert not waits
    loss.item()
    assert waits == {"item": 1}


def test_a_double_backprop_step_waits_for_nothing(waits):
    critic = Critic().to("gpu")
    critic_loss(critic, tg.randn(2, 3, 8, 8, device="gpu"), tg.randn(2, 3, 8, 8, device="gpu")).backward()
    optim.RMSprop(critic.parameters()).step()
    assert not waits


def test_noise_normalisation_and_pooling_wait_for_nothing(waits):
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Dropout2d(), nn.Flatten(), nn.Dropout()]
    layers += [nn.Linear(36, 8), nn.BatchNorm1d(8), nn.GroupNorm(2, 8), nn.SiLU(), nn.Softplus()]
    model = nn.Sequential(*layers).to("gpu")
    tg.sum(model(tg.randn(2, 3, 8, 8, device="gpu"))).backward()
    assert not waits


def test_cross_entropy_synchronises_once_to_check_the_labels(waits):
    logits = tg.randn(4, 5, device="gpu", requires_grad=True)
    F.cross_entropy(logits, tg.tensor(np.array([0, 4, 2, 1]), device="gpu")).backward()
    assert waits == {"bool": 1}


def test_clipping_gradients_waits_once_however_many_there_are(waits):
    model = ToyVAE().to("gpu")
    tg.sum(model.elbo(tg.zeros(2, 1, 2, 3, device="gpu"))).backward()
    optim.clip_grad_norm(model.parameters(), 0.1)
    assert waits.total() == 1


def test_evaluation_waits_once_a_batch(waits):
    model, images = ToyVAE().to("gpu"), np.zeros((10, 6))
    evaluation.elbo(model, images, batch_size=5)
    assert waits.total() == 2
    waits.clear()
    evaluation.estimate_log_likelihood(model, images, num_samples=300, batch_size=5)
    assert waits.total() == 2
