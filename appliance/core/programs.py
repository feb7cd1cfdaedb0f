"""Which programs a machine keeps running, and how each is started: user, namespace, environment."""

from __future__ import annotations

from appliance.core.codec import digest
from appliance.core.firewall import INTAKE_PORT
from appliance.core.machine import FileContent, Machine, Unit, Uplink

REGISTER_GROUP = 64300  # both web processes of HQ write the register's database
STAFF_PORT = 8080
RELAY_LISTENS = 8443  # at HQ, behind the door that people see: its process is nobody
HUB_PROGRAMS = frozenset({"intake", "hq", "relay", "checkpoint"})


def box_program_names(machine: Machine) -> frozenset[str]:
    """Every program a box may ever run."""
    return frozenset(
        {
            "web",
            "courier",
            "dnsmasq",
            "hostapd",
            "wifi",
            "modems",
            "relay",
            *(f"dhcp-{x}" for x in machine.uplinks),
            *(f"routers-{x}" for x in machine.uplinks),
        }
    )


def box_programs(
    machine: Machine, uplinks: tuple[Uplink, ...], files: frozenset[FileContent], wifi: str = ""
) -> tuple[Unit, ...]:
    """`files` are the configurations the programs read: a new content means a restart. `wifi`: the interface that
    is in somebody's Wi-Fi, if the client's configuration is among them."""
    environment = (("NOROSHI_RUN_DIR", machine.run), ("NOROSHI_WEB_HOSTS", ",".join(machine.web_hosts)))
    configs = {x.path.rpartition("/")[2]: digest(x.content) for x in files}
    units = [
        Unit(
            name="web",
            command=(machine.python, "-m", "gunicorn", "-c", "python:webui.gunicorn_field", "webui.field.wsgi:app"),
            namespace=machine.field,
            user=machine.web_uid,
            group=machine.web_uid,
            environment=environment,
        ),
        Unit(
            name="courier",
            command=(machine.python, "-m", "appliance.courier"),
            namespace=machine.field,
            user=machine.courier_uid,
            group=machine.courier_uid,
            environment=environment,
        ),
        Unit(
            name="dnsmasq",
            command=(
                "dnsmasq", "--keep-in-foreground", f"--conf-file={machine.run}/dnsmasq.conf",
                "--user=nobody", "--group=nogroup", "--log-facility=-", f"--pid-file={machine.run}/dnsmasq.pid",
            ),
            namespace=machine.field,
            config=configs["dnsmasq.conf"],
        ),
    ]  # fmt: skip
    if "hostapd.conf" in configs:
        units.append(
            Unit(
                name="hostapd",
                command=("hostapd", f"{machine.run}/hostapd.conf"),
                namespace=machine.outside,
                config=configs["hostapd.conf"],
            )
        )
    if wifi and "wifi.conf" in configs:
        units.append(
            Unit(
                name="wifi",
                command=("wpa_supplicant", "-i", wifi, "-D", "nl80211", "-c", f"{machine.run}/wifi.conf"),
                namespace=machine.outside,
                config=configs["wifi.conf"],
            )
        )
    if "relay.json" in configs:
        units.append(_relay(machine, "client", configs["relay.json"]))
    units += [
        Unit(
            name=f"dhcp-{x.link}",
            command=(
                "udhcpc", "-f", "-R", "-i", x.link, "-s", machine.lease_script, "-t", "3", "-T", "1", "-A", "2",
                "-o", "-O", "subnet", "-O", "router", "-O", "dns", "-O", "114",
            ),
            namespace=machine.outside,
            environment=(("NOROSHI_RUN_DIR", machine.run),),
            config=_cable(x),
        )
        for x in uplinks
        if x.carrier and x.asks
    ]  # fmt: skip
    units += [
        Unit(
            name=f"routers-{x.link}",
            command=(machine.python, "-m", "appliance.router_listener", x.link),
            namespace=machine.outside,
            environment=(("NOROSHI_RUN_DIR", machine.run),),
            config=_cable(x),
        )
        for x in uplinks
        if x.carrier and x.asks
    ]
    return tuple(units)


def _cable(uplink: Uplink) -> str:
    """A cable that was out, if only for a moment, may lead to another router: whoever asked the last one asks anew."""
    return f"cable {uplink.drops}" if uplink.drops else ""


def _relay(machine: Machine, end: str, config: str = "") -> Unit:
    return Unit(
        name="relay",
        command=(machine.python, "-m", f"appliance.relay.{end}", f"{machine.run}/relay.json"),
        namespace=machine.outside,
        user=machine.relay_uid,
        group=machine.relay_uid,
        config=config,
    )


def hub_programs(machine: Machine, hub_address: str, *, relay: bool = False) -> tuple[Unit, ...]:
    """The intake listens inside the tunnel only, the staff's pages inside HQ only."""
    intake = f"{hub_address}:{INTAKE_PORT}"
    return (
        _web(machine, "intake", "appliance.hub.gunicorn_intake", "appliance.hub.intake:from_environment()",
             machine.intake_uid, intake),
        staff_pages(machine),
        *((_relay(machine, "server"),) if relay else ()),
        Unit(
            name="checkpoint",
            command=(machine.python, "-m", "appliance.hub.checkpoint"),
            namespace=machine.outside,
            environment=(
                ("NOROSHI_RUN_DIR", machine.run),
                ("NOROSHI_USER", str(machine.intake_uid)),
                ("NOROSHI_GROUP", str(REGISTER_GROUP)),
            ),
        ),
    )  # fmt: skip


def staff_pages(machine: Machine) -> Unit:
    staff = f"{machine.corporate or '127.0.0.1'}:{STAFF_PORT}"
    return _web(machine, "hq", "webui.hq.gunicorn_hq", "webui.hq.wsgi:app", machine.hq_uid, staff)


def _web(machine: Machine, name: str, settings: str, application: str, user: int, bind: str) -> Unit:
    return Unit(
        name=name,
        command=(machine.python, "-m", "gunicorn", "-c", f"python:{settings}", "-b", bind, application),
        namespace=machine.outside,
        user=user,
        group=REGISTER_GROUP,
        environment=(
            ("NOROSHI_RUN_DIR", machine.run),
            ("NOROSHI_DATABASE_URL", f"sqlite:///{machine.state}/register/register.sqlite3"),
            ("NOROSHI_SOFTWARE", f"{machine.state}/software"),
            ("NOROSHI_WEB_HOSTS", ",".join(machine.web_hosts)),
        ),
    )
