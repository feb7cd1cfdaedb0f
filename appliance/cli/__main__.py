"""`python -m appliance.cli`, where the package is not installed."""

from appliance.cli import main

main(prog_name="noroshi")
