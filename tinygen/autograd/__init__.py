"""The engine: tensors that remember, operations with their products, and the reverse walk."""
