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
