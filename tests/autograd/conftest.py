"""Operations made for a test are nobody else's: the registry that others walk over does not see them."""

import pytest

from tinygen.autograd import operation


@pytest.fixture(autouse=True)
def _registry_of_its_own(monkeypatch):
    monkeypatch.setattr(operation, "operations", dict(operation.operations))
