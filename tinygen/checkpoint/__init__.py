"""Files that can be trusted: a run's own checkpoints in HDF5, and PyTorch's files, of which nothing is executed."""

from tinygen.checkpoint.hdf5 import load as load
from tinygen.checkpoint.hdf5 import save as save
from tinygen.checkpoint.pytorch import read_torch as read_torch
from tinygen.files import CheckpointError as CheckpointError
