"""Carries the tunnel's packets over TLS, where a line lets no UDP through: one process on the box, one at HQ."""
