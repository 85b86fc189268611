"""Operations of one test are not registered for the others."""

import pytest

from tinygen.autograd import operation


@pytest.fixture(autouse=True)
def _registry_of_its_own(monkeypatch):
    monkeypatch.setattr(operation, "REGISTRY", dict(operation.REGISTRY))
