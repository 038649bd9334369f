"""Trees of `/proc` and `/sys` as recorded from hosts."""


def write_tree(root, files):
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def write_process(root, pid, name, **figures):
    """A `/proc/PID` as in proc(5); times are ticks, memory is pages."""
    fields = {"state": "S", "user_ticks": 0, "system_ticks": 0, "threads": 1, "pages": 100}
    known = fields | {"started_ticks": 500, "arguments": (name,)} | figures
    stat = (
        f"{pid} ({name}) {known['state']} 1 {pid} {pid} 0 -1 4194560 1 0 0 0"
        f" {known['user_ticks']} {known['system_ticks']} 0 0 20 0 {known['threads']} 0"
        f" {known['started_ticks']} 9000000 {known['pages']} 18446744073709551615 1 1 0 0\n"
    )
    command = "".join(f"{argument}\0" for argument in known["arguments"])
    write_tree(root, {f"{pid}/stat": stat, f"{pid}/cmdline": command, f"{pid}/comm": f"{name}\n"})
    (root / str(pid) / "fd").mkdir(exist_ok=True)
    return root


# A laptop: Intel package sensor with limits, an NVMe disk without, a fan with its highest speed.
LAPTOP = {
    "class/hwmon/hwmon0/name": "coretemp\n",
    "class/hwmon/hwmon0/temp1_label": "Package id 0\n",
    "class/hwmon/hwmon0/temp1_input": "54000\n",
    "class/hwmon/hwmon0/temp1_max": "84000\n",
    "class/hwmon/hwmon0/temp1_crit": "100000\n",
    "class/hwmon/hwmon10/name": "nvme\n",
    "class/hwmon/hwmon10/temp1_input": "41850\n",
    "class/hwmon/hwmon2/name": "thinkpad\n",
    "class/hwmon/hwmon2/fan1_input": "2400\n",
    "class/hwmon/hwmon2/fan1_max": "4800\n",
    "class/thermal/thermal_zone0/type": "acpitz\n",
    "class/thermal/thermal_zone0/temp": "48000\n",
    "class/dmi/id/product_name": "20XW\n",
    "class/dmi/id/sys_vendor": "LENOVO\n",
}
# A server: every kind of sensor, two memory controllers, a processor of two cores and four threads.
SERVER = {
    "class/hwmon/hwmon0/name": "nct6775\n",
    "class/hwmon/hwmon0/in0_input": "856\n",
    "class/hwmon/hwmon0/in0_label": "Vcore\n",
    "class/hwmon/hwmon0/in1_input": "-12100\n",
    "class/hwmon/hwmon0/intrusion0_alarm": "1\n",
    "class/hwmon/hwmon0/fan2_input": "1020\n",
    "class/hwmon/hwmon0/pwm2": "102\n",
    "class/hwmon/hwmon1/name": "ina226\n",
    "class/hwmon/hwmon1/curr1_input": "1500\n",
    "class/hwmon/hwmon1/power1_input": "18250000\n",
    "class/hwmon/hwmon2/name": "amdgpu\n",
    "class/hwmon/hwmon2/power1_label": "PPT\n",
    "class/hwmon/hwmon2/power1_average": "35046000\n",
    "class/hwmon/hwmon2/power1_input": "99000000\n",
    "class/hwmon/hwmon3/name": "nvme\n",
    "class/hwmon/hwmon3/temp1_input": "38850\n",
    "class/hwmon/hwmon3/device/nvme0n1/size": "1953525168\n",
    "class/hwmon/hwmon4/name": "drivetemp\n",
    "class/hwmon/hwmon4/temp1_input": "31000\n",
    "class/hwmon/hwmon4/device/block/sda/size": "7814037168\n",
    "class/powercap/intel-rapl:0/name": "package-0\n",
    "class/powercap/intel-rapl:0/energy_uj": "262000000000\n",
    "class/powercap/intel-rapl:0/max_energy_range_uj": "262143328850\n",
    "class/powercap/intel-rapl:0:0/name": "core\n",
    "class/powercap/intel-rapl:0:0/energy_uj": "1250000\n",
    "class/powercap/intel-rapl:0:0/max_energy_range_uj": "262143328850\n",
    "class/power_supply/BAT0/status": "Discharging\n",
    "class/power_supply/ADP1/online": "0\n",
    "class/power_supply/hidpp_battery_0/status": "Unknown\n",
    **{
        f"devices/system/cpu/cpu{thread}/{name}": f"{value}\n"
        for thread in range(4)
        for name, value in {
            "topology/physical_package_id": 0,
            "topology/core_id": thread % 2,
            "thermal_throttle/core_throttle_count": 3 + thread % 2,
            "thermal_throttle/package_throttle_count": 9,
        }.items()
    },
    "devices/system/edac/mc/mc0/ce_count": "12\n",
    "devices/system/edac/mc/mc0/ue_count": "1\n",
    "devices/system/edac/mc/mc0/dimm0/dimm_label": "CPU_SrcID#0_Ha#0_Chan#0_DIMM#0\n",
    "devices/system/edac/mc/mc0/dimm0/dimm_ce_count": "12\n",
    "devices/system/edac/mc/mc0/dimm0/dimm_ue_count": "1\n",
    "devices/system/edac/mc/mc1/ce_count": "0\n",
    "devices/system/edac/mc/mc1/ue_count": "0\n",
    "bus/pci/devices/0000:00:1c.0/aer_dev_correctable": (
        "RxErr 5\nBadTLP 1\nBadDLLP 0\nTOTAL_ERR_COR 6\n"
    ),
    "bus/pci/devices/0000:00:1c.0/aer_dev_nonfatal": "Undefined 0\nTOTAL_ERR_NONFATAL 2\n",
    "bus/pci/devices/0000:00:1c.0/aer_dev_fatal": "Undefined 0\nTOTAL_ERR_FATAL 0\n",
    "bus/pci/devices/0000:00:1f.3/class": "0x040300\n",
}
# A board whose kernel knows thermal zones only.
BOARD = {
    "class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "class/thermal/thermal_zone0/temp": "61250\n",
    "class/thermal/thermal_zone1/type": "cpu-thermal\n",
    "class/thermal/thermal_zone1/temp": "60000\n",
}
VIRTUAL = {
    "class/dmi/id/product_name": "Standard PC (Q35 + ICH9, 2009)\n",
    "class/dmi/id/sys_vendor": "QEMU\n",
}
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid inode\n"


def socket_line(local, remote, state, inode):
    return (
        f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000"
        f"     0        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )
