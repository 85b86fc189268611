from tinygen.autograd.tensor import *
import tinygen.operations
