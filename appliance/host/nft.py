"""nftables, by `nft -f -`: one transaction a ruleset. The kernel counts transactions per namespace; as long as its
count is the one after our own load, what is loaded is what we loaded, and a turn costs no process."""

from __future__ import annotations

import socket
import struct

from appliance.core.codec import digest
from appliance.host.namespaces import inside
from appliance.host.run import Failed, run

TABLE = "inet noroshi"
# linux/netfilter/nfnetlink.h and nf_tables.h
_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_GETGEN = 16
_NETLINK_NETFILTER = 12
_NLM_F_REQUEST = 1


def load(namespace: str, ruleset: str) -> None:
    """One transaction: all of it or none of it. Raises Failed."""
    run(["nft", "-f", "-"], namespace=namespace, text=ruleset)


def loaded_in(namespace: str) -> str:
    """Our table as nft lists it. Raises Failed where there is none."""
    return run(["nft", "list", "table", *TABLE.split()], namespace=namespace)


class Rulesets:
    """What we loaded, per namespace, and at which count of transactions."""

    def __init__(self) -> None:
        self._loaded: dict[str, tuple[int, str]] = {}

    def load(self, namespace: str, ruleset: str) -> None:
        """Replace our tables as a whole, then read them back. Raises Failed; then the old ones stand."""
        self._loaded.pop(namespace, None)
        # One load is one transaction. The count is taken before it: taken after it, a rule that somebody slips in
        # between the two would pass for ours.
        ours = generation(namespace) + 1
        load(namespace, ruleset)
        there = hooks(run(["nft", "list", "ruleset"], namespace=namespace))
        if any(there.get(table) != count for table, count in hooks(ruleset).items()):
            raise Failed("nft: the ruleset read back is not the one that was loaded")
        self._loaded[namespace] = (ours, digest(ruleset))

    def digest(self, namespace: str) -> str:
        """The digest of the ruleset text in force, "" when somebody else may have changed it."""
        count, loaded = self._loaded.get(namespace, (-1, ""))
        try:
            return loaded if generation(namespace) == count else ""
        except OSError:
            return ""


def hooks(text: str) -> dict[str, int]:
    """How many chains of each table hang on a hook."""
    found: dict[str, int] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("table ") and line.endswith("{"):
            table = line.removeprefix("table ").removesuffix("{").strip()
            found[table] = 0
        elif " hook " in line:
            found[table] += 1
    return found


def generation(namespace: str) -> int:
    """The kernel's count of nftables transactions in a namespace."""
    with inside(namespace):
        channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with channel:
        channel.settimeout(2)
        kind = (_NFNL_SUBSYS_NFTABLES << 8) | _NFT_MSG_GETGEN
        # nlmsghdr (length, type, flags, sequence, port) + nfgenmsg (family, version, resource id)
        channel.send(struct.pack("=IHHIIBBH", 20, kind, _NLM_F_REQUEST, 1, 0, 0, 0, 0))
        answer = channel.recv(4096)
    if len(answer) < 28 or struct.unpack_from("=H", answer, 4)[0] == 2:  # NLMSG_ERROR
        raise OSError("nftables did not tell its generation")
    value: int = struct.unpack_from("!I", answer, 24)[0]  # first attribute: NFTA_GEN_ID, big-endian
    return value
