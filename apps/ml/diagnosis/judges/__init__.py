"""The classes of problems; a new one is a file, a test and a line here."""

from collections.abc import Mapping

from apps.ml.diagnosis.judgement import Judge
from apps.ml.diagnosis.judges.agent_offline import AgentOffline
from apps.ml.diagnosis.judges.bufferbloat import Bufferbloat
from apps.ml.diagnosis.judges.clock_skew import ClockSkew
from apps.ml.diagnosis.judges.congestion import Congestion
from apps.ml.diagnosis.judges.disk import DiskFailing
from apps.ml.diagnosis.judges.dns_failure import DnsFailure
from apps.ml.diagnosis.judges.dns_slow import DnsSlow
from apps.ml.diagnosis.judges.host_busy import HostBusy
from apps.ml.diagnosis.judges.lan import LanTrouble
from apps.ml.diagnosis.judges.mtu_black_hole import MtuBlackHole
from apps.ml.diagnosis.judges.path_loss import PathLoss
from apps.ml.diagnosis.judges.policing import Policing
from apps.ml.diagnosis.judges.route_change import RouteChange
from apps.ml.diagnosis.judges.server_down import ServerDown
from apps.ml.diagnosis.judges.server_slow import ServerSlow
from apps.ml.diagnosis.judges.tls import TlsTrouble
from apps.ml.diagnosis.judges.wifi_weak import WifiWeak

JUDGES: Mapping[str, Judge] = {
    "agent_offline": AgentOffline(),
    "clock_skew": ClockSkew(),
    "host_busy": HostBusy(),
    "disk": DiskFailing(),
    "wifi_weak": WifiWeak(),
    "lan": LanTrouble(),
    "bufferbloat": Bufferbloat(),
    "policing": Policing(),
    "congestion": Congestion(),
    "path_loss": PathLoss(),
    "route_change": RouteChange(),
    "mtu_black_hole": MtuBlackHole(),
    "dns_failure": DnsFailure(),
    "dns_slow": DnsSlow(),
    "tls": TlsTrouble(),
    "server_slow": ServerSlow(),
    "server_down": ServerDown(),
}
