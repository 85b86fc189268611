"""tinygen: deep generative models from the first line of calculus to the last figure, on NumPy and CuPy.

The map, in the order in which the pages build on each other: ``validation`` (what a caller hands over), ``backend``
(arrays, devices, random numbers), ``kernels`` (number crunching), ``autograd`` (tensors that remember, the reverse
walk), ``operations`` (values and their vector-Jacobian products), ``functional``, ``nn`` and ``optim`` (networks),
``likelihoods``, ``models``, ``training``, ``evaluation``, ``plotting``; ``data`` and ``checkpoint`` stand beside them.
"""

from tinygen.autograd.derivatives import hessian as hessian
from tinygen.autograd.derivatives import hvp as hvp
from tinygen.autograd.derivatives import jacobian as jacobian
from tinygen.autograd.engine import grad as grad
from tinygen.autograd.gradcheck import GradcheckError as GradcheckError
from tinygen.autograd.gradcheck import gradcheck as gradcheck
from tinygen.autograd.gradcheck import gradgradcheck as gradgradcheck
from tinygen.autograd.graph import graph_dot as graph_dot
from tinygen.autograd.recording import no_grad as no_grad
from tinygen.autograd.tensor import Tensor as Tensor
from tinygen.autograd.tensor import tensor as tensor
from tinygen.backend import DeviceError as DeviceError
from tinygen.backend import get_rng_state as get_rng_state
from tinygen.backend import gpu_available as gpu_available
from tinygen.backend import manual_seed as manual_seed
from tinygen.backend import set_rng_state as set_rng_state
from tinygen.checkpoint import load as load
from tinygen.checkpoint import save as save
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

__version__ = "0.1.0"
