"""Closes the machine before anything else is known: the boot ruleset in the machine's own namespace and in the
field's, and the field namespace itself. The image runs this before the network is there (`noroshi block`)."""

from __future__ import annotations

from appliance.core.firewall import boot
from appliance.core.machine import Machine
from appliance.host import namespaces, nft
from appliance.host.run import Failed


def close(machine: Machine) -> None:
    """What is already closed by a whole ruleset of ours stays as it is: a restart must not cut sessions."""
    namespaces.make(machine.field)
    for namespace in (machine.outside, machine.field):
        try:
            loaded = nft.loaded_in(namespace)
        except Failed:
            loaded = ""
        if loaded.count("policy drop") < 3:
            nft.load(namespace, boot())
