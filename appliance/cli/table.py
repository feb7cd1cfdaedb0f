"""A group of verbs whose help keeps the table's order and headings, instead of the alphabet's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class Table(click.Group):
    def __init__(self, *, sections: Mapping[str, tuple[click.Command, ...]], **settings: Any) -> None:
        settings.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(**settings)
        self.sections = sections
        for verbs in sections.values():
            for verb in verbs:
                self.add_command(verb)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [str(x.name) for verbs in self.sections.values() for x in verbs]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, verbs in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(str(x.name), x.get_short_help_str(200)) for x in verbs])
