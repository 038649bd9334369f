"""How often the process looks for circles of dead objects."""

import gc

YOUNG_OBJECTS = 20_000
YOUNGER_ROUNDS = 20


def look_less_often() -> None:
    """Let the agent's own modules out of every search, and search for young objects less often.

    A thousand pings keep thousands of objects alive for seconds, which are searched in vain: this
    took an eighth of their processor time. What is dead without a circle is freed at once as ever;
    the others wait for 20,000 objects at most.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNGER_ROUNDS, YOUNGER_ROUNDS)
