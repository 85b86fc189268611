"""Figures: grids of images, curves, and scalar fields in the plane.

Every function takes NumPy arrays and writes one file atomically. Equal arrays give equal files, bit for bit: a figure
contains no date. Figures are drawn without ``pyplot``, so they need no display and do not change a notebook's state.
"""

from tinygen.plotting.fields import Field as Field
from tinygen.plotting.fields import field_animation as field_animation
from tinygen.plotting.fields import fields as fields
from tinygen.plotting.figures import Curve as Curve
from tinygen.plotting.figures import Panel as Panel
from tinygen.plotting.figures import curves as curves
from tinygen.plotting.figures import fid_lines as fid_lines
from tinygen.plotting.figures import image_grid as image_grid
from tinygen.plotting.figures import interpolation_grid as interpolation_grid
from tinygen.plotting.figures import pairs_grid as pairs_grid
from tinygen.plotting.figures import panels as panels
from tinygen.plotting.figures import scatter as scatter
from tinygen.plotting.figures import strips as strips
