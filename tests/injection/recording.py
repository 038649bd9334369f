"""Records the corpus: real probes over networks of namespaces into which faults are put.

    python -m benchmarks.diagnosis --record [--corpus FILE]

What the file has already is not recorded again, so an interrupted recording goes on. As root.
"""

import time
from dataclasses import asdict
from random import Random

from apps.ml.diagnosis.case import Observation
from apps.ml.diagnosis.reading import measure_usual, read_hops
from tests.injection.cases import (
    list_known,
    name_observation,
    write_line,
    write_observation,
    write_usual,
)
from tests.injection.faults import FAULTS
from tests.injection.networks import LOCALS, PATHS, ROUTES, open_network

BASELINE_RUNS = 10
RUNS_PER_TOPOLOGY = {"path": 2, "local": 3, "route": 3}
FAMILIES = {"path": PATHS, "local": LOCALS, "route": ROUTES}
LOSSY_RATIO = 0.01


def list_usual_tests(network):
    """The tests that the client always runs."""
    target = network.target
    pinging = {"interval_seconds": 0.02, "timeout_seconds": 1}
    tracing = {
        "flows": 2, "queries": 5, "wait_seconds": 0.5, "resolve_names": False,
        "packets_per_second": 100, "max_ttl": network.shape.hops + 1,
    }  # fmt: skip
    web = {"interval_seconds": 1, "timeout_seconds": 2, "is_cache_measured": False}
    names = {
        "name": "site.example", "interval_seconds": 0.5, "timeout_seconds": 1,
        "is_cache_measured": False,
    }  # fmt: skip
    secure = {"server_name": "site.example", "interval_seconds": 1, "timeout_seconds": 2}
    tests = (
        ("ping", target, pinging),
        ("ping", network.gateway, pinging),
        ("tcp", target, {"port": 80, "interval_seconds": 0.2, "timeout_seconds": 1}),
        ("http", f"http://{target}/", web),
        ("dns", target, names),
        ("tls", target, secure),
        ("trace", target, tracing),
        *((("ping", network.other_target, pinging),) if network.other_target else ()),
    )
    return [
        {"kind": kind, "target": to, "seconds": 2, "parameters": parameters}
        for kind, to, parameters in tests
    ]


class Recorder:
    def __init__(self, corpus, say):
        self.corpus = corpus
        self.say = say
        self.known = list_known(corpus)

    def record_all(self):
        for family, shapes in FAMILIES.items():
            faults = {name: one for name, one in FAULTS.items() if one.family == family}
            for shape in shapes:
                runs = [
                    (name, number)
                    for name in faults
                    for number in range(RUNS_PER_TOPOLOGY[family])
                    if f"{shape.name} {name} {number}" not in self.known
                ]
                if runs:
                    self.record_topology(shape, runs, shapes.index(shape))

    def record_topology(self, shape, runs, place):
        with open_network(shape) as network:
            before = self.learn(network)
            for name, number in runs:
                # The variants of a fault go on from topology to topology.
                variant = number + place * RUNS_PER_TOPOLOGY[FAULTS[name].family]
                self.record(network, name, number, variant=variant, before=before)

    def learn(self, network):
        """What is usual here, kept as a line of its own; and the hash of the usual route."""
        tests, results, trace = list_usual_tests(network), {}, {}
        for _ in range(BASELINE_RUNS):
            for outcome in self.run(network, tests):
                if outcome["is_success"]:
                    results.setdefault(name_observation(outcome), []).append(outcome["values"])
                if outcome["kind"] == "trace":
                    trace = outcome
        if network.shape.name not in self.known:
            usual = {name: measure_usual(values) for name, values in results.items()}
            self.write({"topology": network.shape.name, "usual": write_usual(usual)})
        return trace["facts"].get("path.hash", "")

    def run(self, network, tests):
        wanted = [{**one, "target": one.get("target") or network.target} for one in tests]
        # As the server does: the target of a URL is its host.
        return [
            {**one, "target": one["target"].removeprefix("http://").rstrip("/")}
            for one in network.measure(wanted)
        ]

    def record(self, network, name, number, *, variant, before):
        run = f"{network.shape.name} {name} {number}"
        chance = Random(run)  # noqa: S311 - repeatable, not secret
        begun = time.monotonic()
        network.reset()
        with FAULTS[name].inject(network, chance, variant) as injected:
            outcomes = self.run(network, [*list_usual_tests(network), *injected.beside])
            for test in injected.alone:
                network.site.ask({"answer": run})
                outcomes += self.run(network, [{**test, "run": run}])
        network.reset()
        case = build_case(network, outcomes, injected, chance, before)
        self.write(
            {
                "run": run, "topology": network.shape.name, "fault": name,
                "cause": FAULTS[name].cause, "parameters": injected.parameters, "case": case,
            }
        )  # fmt: skip
        self.say(f"{run}: {time.monotonic() - begun:.1f} s")

    def write(self, row):
        with self.corpus.open("a") as file:
            file.write(write_line(row))


def build_case(network, outcomes, injected, chance, before):
    """The fields of the case, as the server would gather them from these results."""
    at = round(time.time(), 3)
    host = next((one["values"] for one in outcomes if one["kind"] == "host"), None)
    measured = [one for one in outcomes if one["kind"] != "host"]
    to_gateway = [one for one in measured if one["target"] == network.gateway]
    to_other = [one for one in measured if one["target"] == network.other_target]
    to_target = [one for one in measured if one["target"] == network.target]
    seen = [write_observation(one, at) for one in to_target]
    observed = next((one for one in seen if one["kind"] == injected.asked), None)
    trace = next(one for one in to_target if one["kind"] == "trace")
    hops = read_hops([Observation("trace", "", at, None, document=trace["document"])])
    is_rerouted = trace["facts"].get("path.hash", before) != before
    return {
        "at": at,
        "observed": observed,
        "related": [one for one in seen if one is not observed],
        "gateway": [write_observation(one, at) for one in to_gateway],
        "hops": [asdict(hop) for hop in hops],
        "route_changes": [at - chance.uniform(30, 600)] if is_rerouted else [],
        "host": host or imagine_quiet_host(chance),
        "clock_offset_seconds": chance.uniform(-0.05, 0.05),
        "heartbeat_age_seconds": chance.uniform(1, 29),
        "same_client": [{"name": one["target"], "is_failing": is_failing(one)} for one in to_other],
        **injected.facts,
    }


def is_failing(outcome):
    return (
        not outcome["is_success"]
        or outcome["values"].get("net.packet.loss.ratio", 0) >= LOSSY_RATIO
    )


def imagine_quiet_host(chance):
    """Drawn: the machine that records is busy itself. A fault of the host has real ones."""
    return {
        "system.cpu.utilization": chance.uniform(0.03, 0.5),
        "system.memory.utilization": chance.uniform(0.2, 0.7),
    }


def record_corpus(corpus, say=print):
    corpus.parent.mkdir(parents=True, exist_ok=True)
    Recorder(corpus, say).record_all()
