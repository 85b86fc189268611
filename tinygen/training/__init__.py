"""Training: one loop, two players of a game, the run's folder and report, and what the examples' commands share."""

from tinygen.console import progress as progress
from tinygen.console import say as say
from tinygen.training.command import conduct as conduct
from tinygen.training.command import interruptible as interruptible
from tinygen.training.command import refusing as refusing
from tinygen.training.game import Players as Players
from tinygen.training.loop import train as train
from tinygen.training.options import common_arguments as common_arguments
from tinygen.training.options import load_splits as load_splits
from tinygen.training.options import sampler_arguments as sampler_arguments
from tinygen.training.report import Reference as Reference
from tinygen.training.run import Run as Run
from tinygen.training.run import print_results as print_results
from tinygen.training.snapshots import Snapshots as Snapshots
from tinygen.training.vae import train_vae as train_vae
