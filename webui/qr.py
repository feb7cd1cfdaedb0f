"""QR codes as pictures. segno is loaded at the first one: most pages have none."""

from __future__ import annotations

from io import BytesIO

from markupsafe import Markup


def svg(text: str) -> Markup:
    """An inline <svg class="qr"> that grows with its box; the quiet zone of four modules is inside."""
    import segno

    code = segno.make_qr(text, error="m")
    drawn: str = code.svg_inline(omitsize=True, svgclass="qr", lineclass=None, light="#fff", border=4)
    return Markup(drawn)  # noqa: S704 - segno drew it: squares only, none of `text`


def svg_file(text: str) -> bytes:
    import segno

    out = BytesIO()
    segno.make_qr(text, error="m").save(out, kind="svg", scale=8, light="#fff", border=4)
    return out.getvalue()


def png_file(text: str) -> bytes:
    import segno

    out = BytesIO()
    segno.make_qr(text, error="m").save(out, kind="png", scale=8, border=4)
    return out.getvalue()
