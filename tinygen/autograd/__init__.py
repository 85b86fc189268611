"""The engine: tensors, operations with their vector-Jacobian products, and the backward pass."""
