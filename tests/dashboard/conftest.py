import pytest

from apps.core.clock import read_now
from tests.dashboard.scene import build_scene
from tests.factories.accounts import make_user


@pytest.fixture(autouse=True)
def plain_files(settings):
    """Pages name their files without the hashes that only collectstatic knows."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def silent_push(monkeypatch):
    """What is pushed to sockets, instead of a Redis that is not there."""
    pushed = []
    monkeypatch.setattr("apps.dashboard.live.push", lambda *pair: pushed.append(pair))
    monkeypatch.setattr("apps.ingest.nudges.push", lambda *_pair: None)
    return pushed


@pytest.fixture
def admin(db):
    return make_user("root", "admin", is_staff=True)


@pytest.fixture
def page(client, admin):
    """A browser signed in as the administrator."""
    client.force_login(admin)
    return client


@pytest.fixture
def scene(db):
    return build_scene(read_now())
