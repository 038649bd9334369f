import pytest

from tests.operations.children import Journal


@pytest.fixture
def journal():
    return Journal()
