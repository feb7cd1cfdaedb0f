"""How fast, how small: what `scripts/bench` measures, always in a field exercise of its own."""
