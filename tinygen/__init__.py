"""tinygen: deep generative models on NumPy and CuPy, with nothing hidden.

The order in which to read the library:

    autograd/tensor.py       a tensor: an array, its gradient, and the operation that computed it
    autograd/operation.py    an operation: its value and its vector-Jacobian products
    autograd/engine.py       the backward pass through the computation graph
    operations/              the operations: arithmetic, reductions, shapes, matrix products, convolution
    functional/              activations, losses and normalisation, as functions
    nn/                      modules: layers with parameters
    optim.py                 optimisers and schedules
    models/                  VAEs, generators, critics; likelihoods.py has their likelihoods
    objectives.py            the losses of GANs; flows.py has flow matching and diffusion
    divergences/             divergences, estimated from samples and in closed form
    training/                training loops
    evaluation/              the ELBO, importance sampling, FID, interpolation
    plotting/                figures
    data/                    data sets and batches
    checkpoint/              files
    kernels/                 the computations on arrays; kernels/cpu, an appendix, has their fast CPU versions
"""

import importlib
from typing import TYPE_CHECKING, Any

from tinygen.autograd.derivatives import hessian as hessian
from tinygen.autograd.derivatives import hvp as hvp
from tinygen.autograd.derivatives import jacobian as jacobian
from tinygen.autograd.engine import grad as grad
from tinygen.autograd.recording import no_grad as no_grad
from tinygen.autograd.tensor import Tensor as Tensor
from tinygen.autograd.tensor import tensor as tensor
from tinygen.backend import DeviceError as DeviceError
from tinygen.backend import get_rng_state as get_rng_state
from tinygen.backend import gpu_available as gpu_available
from tinygen.backend import manual_seed as manual_seed
from tinygen.backend import set_rng_state as set_rng_state
from tinygen.kernels.cpu.malloc import tune_malloc as tune_malloc
from tinygen.operations.arithmetic import abs as abs
from tinygen.operations.arithmetic import clip as clip
from tinygen.operations.arithmetic import maximum as maximum
from tinygen.operations.arithmetic import minimum as minimum
from tinygen.operations.arithmetic import where as where
from tinygen.operations.comparison import argmax as argmax
from tinygen.operations.comparison import argmin as argmin
from tinygen.operations.creation import arange as arange
from tinygen.operations.creation import eye as eye
from tinygen.operations.creation import full as full
from tinygen.operations.creation import full_like as full_like
from tinygen.operations.creation import linspace as linspace
from tinygen.operations.creation import ones as ones
from tinygen.operations.creation import ones_like as ones_like
from tinygen.operations.creation import rand as rand
from tinygen.operations.creation import rand_like as rand_like
from tinygen.operations.creation import randn as randn
from tinygen.operations.creation import randn_like as randn_like
from tinygen.operations.creation import zeros as zeros
from tinygen.operations.creation import zeros_like as zeros_like
from tinygen.operations.elementwise import cos as cos
from tinygen.operations.elementwise import exp as exp
from tinygen.operations.elementwise import expm1 as expm1
from tinygen.operations.elementwise import log as log
from tinygen.operations.elementwise import log1p as log1p
from tinygen.operations.elementwise import sin as sin
from tinygen.operations.elementwise import sqrt as sqrt
from tinygen.operations.elementwise import tanh as tanh
from tinygen.operations.products import einsum as einsum
from tinygen.operations.products import matmul as matmul
from tinygen.operations.reductions import cumsum as cumsum
from tinygen.operations.reductions import logsumexp as logsumexp
from tinygen.operations.reductions import max as max
from tinygen.operations.reductions import mean as mean
from tinygen.operations.reductions import min as min
from tinygen.operations.reductions import norm as norm
from tinygen.operations.reductions import prod as prod
from tinygen.operations.reductions import std as std
from tinygen.operations.reductions import sum as sum
from tinygen.operations.reductions import var as var
from tinygen.operations.shaping import broadcast_to as broadcast_to
from tinygen.operations.shaping import cat as cat
from tinygen.operations.shaping import expand_dims as expand_dims
from tinygen.operations.shaping import flatten as flatten
from tinygen.operations.shaping import pad as pad
from tinygen.operations.shaping import reshape as reshape
from tinygen.operations.shaping import split as split
from tinygen.operations.shaping import squeeze as squeeze
from tinygen.operations.shaping import stack as stack
from tinygen.operations.shaping import swapaxes as swapaxes
from tinygen.operations.shaping import transpose as transpose
from tinygen.operations.table import Operators as _  # sets the operators and methods of Tensor

if TYPE_CHECKING:
    from tinygen import checkpoint as checkpoint
    from tinygen import data as data
    from tinygen import divergences as divergences
    from tinygen import evaluation as evaluation
    from tinygen import flows as flows
    from tinygen import functional as functional
    from tinygen import likelihoods as likelihoods
    from tinygen import models as models
    from tinygen import nn as nn
    from tinygen import objectives as objectives
    from tinygen import optim as optim
    from tinygen import plotting as plotting
    from tinygen import training as training
    from tinygen.autograd.gradcheck import GradcheckError as GradcheckError
    from tinygen.autograd.gradcheck import gradcheck as gradcheck
    from tinygen.autograd.gradcheck import gradgradcheck as gradgradcheck
    from tinygen.autograd.graph import graph_dot as graph_dot
    from tinygen.checkpoint import load as load
    from tinygen.checkpoint import save as save

__version__ = "0.3.0"

_SUBPACKAGES = ["checkpoint", "data", "divergences", "evaluation", "functional", "likelihoods", "models", "nn"]
_SUBPACKAGES += ["flows", "objectives", "optim", "plotting", "training"]
_IN_SUBPACKAGES = {"load": "checkpoint", "save": "checkpoint", "graph_dot": "autograd.graph"}
_IN_SUBPACKAGES |= dict.fromkeys(["gradcheck", "gradgradcheck", "GradcheckError"], "autograd.gradcheck")

if not TYPE_CHECKING:  # a type checker would take every name for one that this function returns

    def __getattr__(name: str) -> Any:
        """Load a subpackage when it is first used, so that importing tinygen takes little longer than NumPy."""
        if name in _SUBPACKAGES:
            return importlib.import_module(f"tinygen.{name}")
        if name in _IN_SUBPACKAGES:
            return getattr(importlib.import_module(f"tinygen.{_IN_SUBPACKAGES[name]}"), name)
        raise AttributeError(f"module 'tinygen' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_SUBPACKAGES, *_IN_SUBPACKAGES})
