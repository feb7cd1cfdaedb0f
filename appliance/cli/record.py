"""What somebody changes at HQ's terminal stands in the same audit as what is changed on the staff's pages."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import click

from appliance.cli.asking import who

Note = Callable[[str, str, str], None]  # what, on what, more


@contextlib.contextmanager
def recorded() -> Iterator[Note]:
    """The audit is open before anything changes: what cannot be written down is not done."""
    from appliance.host.surroundings import machine
    from appliance.hub import audit
    from appliance.serve import database_url

    by = f"{who()} (noroshi hq)"
    try:
        staff = audit.opened(database_url(machine()))
    except audit.Unwritable as error:
        raise click.ClickException(
            f"記録(audit)を開けないので、何も変えていません / the audit cannot be opened, nothing was changed: {error}\n"
            "  → root で行ってください / do it as root"
        ) from error
    try:
        yield lambda what, on, more: audit.note(staff, by, what, on, more, time.time())
    finally:
        staff.dispose()
