"""The priorities of tagged frames against the table of the switch that tagged them."""

import pytest

from tests.lab.answering import answer_in_far, measure_pair
from tests.lab.switch import open_switch

PRIORITIES = {0: 1, 10: 0, 46: 5}
VLAN = 7


def measure(switch, folder, *before):
    with answer_in_far(switch, "qos"):
        outcome = measure_pair(
            switch, "qos", folder, before=before, duration_seconds=3,
            classes="0,10,34,46", interval_seconds=0.01, has_ecn="true",
        )  # fmt: skip
    assert outcome["is_success"], outcome["reason"]
    return outcome


@pytest.mark.parametrize("vlan", [0, VLAN], ids=["priority alone", f"VLAN {VLAN}"])
def test_the_priority_of_each_class_is_that_of_the_switch(
    laboratory_is_possible, lab_table, tmp_path, vlan
):
    with open_switch(priorities=PRIORITIES, vlan=vlan) as switch:
        outcome = measure(switch, tmp_path)
    told = outcome["document"]["priorities"]
    for dscp, priority in PRIORITIES.items():
        # The answer that gives a test by hand its run is as long, and best effort.
        truth = switch.count_tagged(dscp, by=46)
        counts = told["by_dscp"][str(dscp)]
        name = f"DSCP {dscp} in VLAN {vlan}"
        measured = outcome["values"][f"qos.cos.pcp{{dscp={dscp}}}"]
        lab_table.record(f"{name}: priority", priority, measured, "", measured == priority)
        seen = counts.get(str(priority), 0)
        lab_table.record(f"{name}: tagged", truth, seen, "frames", seen == truth)
        assert measured == priority
        assert counts == {str(priority): truth}
        assert truth > 0
    assert outcome["absent"]["qos.cos.pcp{dscp=34}"] == "N"
    assert told["vlans"] == ([vlan] if vlan else [])


def test_without_the_right_the_priorities_are_absent_with_the_command_that_grants_it(
    laboratory_is_possible, lab_table, tmp_path
):
    with open_switch(priorities=PRIORITIES) as switch:
        outcome = measure(switch, tmp_path, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-all")
    (missing,) = outcome["document"]["missing"]
    lab_table.record("without cap_net_raw", "P", outcome["absent"]["qos.cos.pcp{dscp=46}"])
    assert outcome["absent"]["qos.cos.pcp{dscp=46}"] == missing["code"] == "P"
    assert missing["remedy"].startswith("setcap cap_net_raw+ep ")
    assert switch.count_tagged(46, by=46) > 0
