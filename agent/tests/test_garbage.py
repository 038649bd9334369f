import gc
import weakref

import pytest

from streamswarm_agent.runtime.garbage import YOUNG_OBJECTS, look_less_often


@pytest.fixture
def collector():
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Circle:
    def __init__(self):
        self.itself = self


def test_circles_of_dead_objects_are_still_found(collector):
    look_less_often()
    assert gc.get_freeze_count() > 0
    dead = weakref.ref(Circle())
    kept = [[] for _ in range(YOUNG_OBJECTS + 1000)]
    assert dead() is None
    assert len(kept) > YOUNG_OBJECTS
