"""People say what findings and diagnoses really were; that becomes labels and false alarm rates."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.ml.algorithms.shares import estimate_share
from apps.ml.models import Feedback, Finding
from apps.ml.selectors.feedback import list_false_rates, list_labels, measure_false_share
from apps.ml.services.feedback import MOST_AT_ONCE, Word, give_feedback, withdraw_feedback
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.findings import make_diagnosis, make_finding

NO_PROBLEM = Word("not_a_problem")
RIGHT = Word("confirmed")


def it_was(cause):
    return Word("other_cause", cause)


@pytest.fixture
def client(db):
    return make_client()


@pytest.fixture
def ann(db):
    return make_user("ann", "operator")


@pytest.fixture
def bob(db):
    return make_user("bob", "operator")


def test_the_newest_word_of_a_user_replaces_the_one_before(client, ann):
    finding = make_finding(client)
    give_feedback([finding], NO_PROBLEM, user=ann)
    (row,) = give_feedback([finding], RIGHT, user=ann)
    assert Feedback.objects.get() == row
    assert row.verdict == "confirmed"
    assert row.said_by == ann


def test_each_word_is_in_the_audit_with_what_was_said_before(client, ann):
    finding = make_finding(client)
    give_feedback([finding], NO_PROBLEM, user=ann)
    give_feedback([finding], Word("confirmed", "lan", "cable pulled"), user=ann)
    withdraw_feedback(finding, user=ann)
    entries = AuditEntry.objects.filter(object_type="feedback").order_by("id")
    assert [entry.action for entry in entries] == ["create", "change", "delete"]
    assert entries[1].before["verdict"] == "not_a_problem"
    assert entries[1].after["note"] == "cable pulled"
    assert not Feedback.objects.exists()


def test_taking_back_what_was_never_said_changes_nothing(client, ann):
    assert not withdraw_feedback(make_finding(client), user=ann)
    assert not AuditEntry.objects.filter(object_type="feedback").exists()


@pytest.mark.parametrize(
    ("kind", "word", "verdict"),
    [
        ("series_anomaly", it_was("dns_slow"), "confirmed"),
        ("joint_anomaly", it_was("dns_slow"), "confirmed"),
        ("diagnosis", it_was("dns_slow"), "other_cause"),
        ("diagnosis", it_was("lan"), "confirmed"),
        ("diagnosis", Word("confirmed", "dns_slow"), "other_cause"),
    ],
)
def test_only_another_cause_than_the_one_found_is_another(client, ann, kind, word, verdict):
    (row,) = give_feedback([make_finding(client, kind)], word, user=ann)
    assert (row.verdict, row.cause) == (verdict, word.cause)


def test_a_word_on_a_diagnosis_is_one_on_its_finding(client, ann):
    diagnosis = make_diagnosis(client, cause="lan")
    give_feedback([diagnosis], RIGHT, user=ann)
    assert diagnosis.finding.feedback.get().verdict == "confirmed"


def test_a_diagnosis_without_a_cause_can_be_told_what_it_was(client, ann):
    diagnosis = make_diagnosis(client)
    give_feedback([diagnosis], it_was("clock_skew"), user=ann)
    (label,) = list_labels("diagnosis")
    assert (label.finding_id, label.diagnosis_id) == (None, diagnosis.id)
    assert (label.found, label.opinion.cause) == ("", "clock_skew")
    assert withdraw_feedback(diagnosis, user=ann)
    assert list_labels("diagnosis") == []


@pytest.mark.parametrize(
    ("word", "field"),
    [
        (Word("perhaps"), "verdict"),
        (Word("other_cause"), "cause"),
        (Word("other_cause", "gremlins"), "cause"),
        (Word("not_a_problem", "lan"), "cause"),
        (Word("confirmed", note="x" * 501), "note"),
    ],
)
def test_a_word_that_means_nothing_is_refused_by_field(client, ann, word, field):
    with pytest.raises(Invalid) as caught:
        give_feedback([make_finding(client)], word, user=ann)
    assert [fault.field for fault in caught.value.errors] == [field]
    assert not Feedback.objects.exists()


def test_too_many_at_once_are_refused(client, ann):
    finding = make_finding(client)
    with pytest.raises(Invalid, match="at most 200"):
        give_feedback([finding] * (MOST_AT_ONCE + 1), NO_PROBLEM, user=ann)
    assert not Feedback.objects.exists()


def test_a_label_is_what_most_say_and_the_newest_at_a_tie(client, ann, bob):
    finding = make_finding(client)
    give_feedback([finding], NO_PROBLEM, user=ann)
    give_feedback([finding], Word("confirmed", "lan"), user=bob)
    (label,) = list_labels("series_anomaly")
    assert label.opinion.is_problem
    assert (label.opinion.cause, label.opinion.agreeing, label.opinion.said) == ("lan", 1, 2)
    give_feedback([finding], NO_PROBLEM, user=make_user("carl", "operator"))
    (label,) = list_labels("series_anomaly")
    assert not label.opinion.is_problem
    assert (label.opinion.agreeing, label.opinion.said) == (2, 3)


def test_confirming_a_diagnosis_names_its_cause(client, ann):
    give_feedback([make_finding(client, "diagnosis", cause="dns_slow")], RIGHT, user=ann)
    (label,) = list_labels("diagnosis")
    assert (label.found, label.opinion.cause) == ("dns_slow", "dns_slow")


def test_labels_are_of_one_kind_and_of_findings_since_then(client, ann):
    now = read_now()
    old = make_finding(client, at=now - timedelta(days=3))
    new = make_finding(client, at=now - timedelta(hours=3))
    give_feedback([old, new, make_finding(client, "diagnosis")], RIGHT, user=ann)
    assert [label.finding_id for label in list_labels("series_anomaly")] == [old.id, new.id]
    since = list_labels("series_anomaly", now - timedelta(days=1))
    assert [label.finding_id for label in since] == [new.id]


def test_false_alarms_are_counted_by_kind_channel_and_client(client, ann):
    other = make_client("other")
    kinds = [("range", NO_PROBLEM), ("range", RIGHT), ("range", RIGHT), ("shift", NO_PROBLEM)]
    for cause, word in kinds:
        give_feedback([make_finding(client, cause=cause)], word, user=ann)
    give_feedback([make_finding(other)], NO_PROBLEM, user=ann)
    give_feedback([make_finding(client, "diagnosis")], it_was("dns_slow"), user=ann)
    share = measure_false_share(["series_anomaly"], cause="range", client_id=client.id)
    assert (share.hits, share.count) == (1, 3)
    assert measure_false_share(["series_anomaly"], since=read_now()).value is None
    rates = {
        (rate.kind, rate.cause): rate.share for rate in list_false_rates(Finding.objects.all())
    }
    assert rates["series_anomaly", "range"].count == 4
    assert rates["series_anomaly", "shift"].value == 1
    assert rates["diagnosis", "lan"].hits == 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_share_and_stays_within_nought_and_one(hits, others):
    share = estimate_share(hits, hits + others)
    if share.count:
        assert 0 <= share.low <= share.value <= share.high <= 1
    else:
        assert share.value is None


def test_the_interval_is_the_published_one():
    # Wilson's interval of 1 of 10, as tables have it: 0.0179 to 0.4042.
    share = estimate_share(1, 10)
    assert share.low == pytest.approx(0.0179, abs=5e-5)
    assert share.high == pytest.approx(0.4042, abs=5e-5)


def test_more_hits_than_cases_are_refused():
    with pytest.raises(ValueError, match="3 of 2"):
        estimate_share(3, 2)
