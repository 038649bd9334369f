"""The page of what the history costs on disk."""

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.core.storage_state import forget_storage_fault, note_storage_fault
from apps.dashboard.selectors.storage import describe_storage
from apps.metrics.selectors import Storage, Tier
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db

MEGABYTE = 2**20


def make_storage(**fields):
    now = read_now()
    raw = Tier("raw", "Measured values", 0, 9000, 900, now - timedelta(days=3), now, 14, 300.0)
    tiers = (raw, Tier("other", "All else", 0, 5, 100, None, None, 8, None))
    known = Storage(tiers, 5 * MEGABYTE, 9 * MEGABYTE, 300.0, 100.5, "")
    return replace(known, **fields)


@pytest.fixture
def show(page, monkeypatch):
    def show_storage(**fields):
        storage = make_storage(**fields)
        monkeypatch.setattr("apps.dashboard.views.storage.read_storage", lambda _now: storage)
        return page.get("/storage/").content.decode()

    return show_storage


def test_the_page_has_what_the_database_really_holds(page):
    text = page.get("/storage/").content.decode()
    for words in ("Measured values", "Five-minute history", "Hourly history", "Daily history"):
        assert words in text
    assert 'href="/settings/#retention"' in text


def test_a_disk_that_lasts_is_no_warning(show):
    text = show()
    assert "The disk will be full" not in text
    assert "100" in text


def test_less_than_two_weeks_are_a_warning_in_words(show):
    text = show(days_left=13.9)
    assert "The disk will be full in 13 days at this pace." in text
    assert 'class="alert alert-warning"' in text


def test_less_than_a_day_is_more_than_a_warning(show):
    text = show(days_left=0.5)
    assert "The disk will be full within a day." in text
    assert 'class="alert alert-danger"' in text


def test_what_cannot_be_said_has_its_reason(show):
    text = show(days_left=None, free_bytes=None, reason="The disk cannot be seen.")
    assert "The disk cannot be seen." in text
    assert "The disk will be full" not in text


def test_parts_fill_the_bar_by_their_share_and_the_smallest_can_be_seen():
    tiers = (
        *make_storage().tiers,
        Tier("1d", "Daily history", 86_400, 1, 1, None, None, 3650, None),
    )
    view = describe_storage(make_storage(tiers=tiers))
    assert [part.width for part in view.parts] == [899, 100, 4]
    assert [part.begins_at for part in view.parts] == [0, 899, 999]
    assert view.bar_units == 1003
    assert sum(part.share for part in view.parts) == pytest.approx(1)


def test_an_empty_database_has_an_empty_bar():
    tiers = (Tier("raw", "Measured values", 0, 0, 0, None, None, 14, None),)
    view = describe_storage(make_storage(tiers=tiers, bytes_per_day=None, days_left=None))
    assert (view.byte_total, view.bar_units, view.oldest_at) == (0, 0, None)
    assert view.standing == "idle"


def test_each_kept_part_links_to_its_setting():
    first, second = describe_storage(make_storage()).parts
    assert (first.setting_group, second.setting_group) == ("retention", "")


@pytest.fixture
def own_state(settings, tmp_path):
    """What is known of full disks, forgotten afterwards."""
    settings.VAR_DIR = tmp_path
    yield
    forget_storage_fault()


@pytest.mark.parametrize(
    ("is_reserve", "words"), [(False, "disk is full"), (True, "disk is nearly full")]
)
def test_every_page_tells_of_a_full_disk_until_there_is_room(page, own_state, is_reserve, words):
    note_storage_fault("No space left <on> device.", is_reserve=is_reserve)
    for path in ("/", "/clients/", "/storage/", "/profile/"):
        text = page.get(path).content.decode()
        assert words in text
        assert "nothing new is stored since" in text
        assert "No space left &lt;on&gt; device." in text
    forget_storage_fault()
    assert "nothing new is stored since" not in page.get("/").content.decode()


def test_a_page_that_is_open_already_gets_the_word_by_itself(page, own_state):
    note_storage_fault("No space left on device.", is_reserve=True)
    full = page.get("/storage/fault/").content.decode()
    forget_storage_fault()
    fine = page.get("/storage/fault/").content.decode()
    assert 'data-state="reserve"' in full
    assert "send it by themselves" in full
    assert 'data-state=""' in fine
    assert "alert" not in fine


def test_who_may_make_room_is_told_how_and_others_who_may(page, own_state):
    note_storage_fault("No space left on device.")
    assert "Free space on the disk" in page.get("/storage/fault/").content.decode()
    page.force_login(make_user("vera", "viewer"))
    others = page.get("/storage/fault/").content.decode()
    assert "Whoever runs the server" in others
    assert "/storage/" not in others.replace("/storage/fault/", "")


def test_the_sign_in_page_tells_strangers_nothing_of_the_disk(client, admin, own_state):
    note_storage_fault("No space left on device.")
    assert "disk" not in client.get("/accounts/login/").content.decode()
