"""Checkpoints in HDF5 with a checksum, and reading PyTorch's files without executing them."""

from tinygen.checkpoint.hdf5 import load as load
from tinygen.checkpoint.hdf5 import save as save
from tinygen.checkpoint.pytorch import read_torch as read_torch
from tinygen.files import CheckpointError as CheckpointError
