import pytest

from accounts.models import User


@pytest.fixture
def mira(db: None) -> User:
    return User.objects.create(username="mira")
