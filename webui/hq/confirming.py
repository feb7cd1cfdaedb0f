"""What cuts people off is asked once more, on a page that says what it does."""

from __future__ import annotations

from flask import render_template

from webui.language import gettext as _


def confirmation(question: str, what: str, button: str, back: str) -> str:
    """The page whose button posts to its own address; `back`: where who thinks better of it goes."""
    return render_template("hq/confirm.html", question=question, what=what, button=button, back=back)


def removal(name: str, what: str, back: str) -> str:
    """Of one row of a register."""
    return confirmation(_("「%(name)s」を外しますか?") % {"name": name}, what, _("外す"), back)
