"""The differentiable operations, a page for each kind, and the table that puts them on ``Tensor``."""

from tinygen.operations import table as table
