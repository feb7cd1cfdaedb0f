"""The field exercise: HQ, the internet, two mobile routers, the box, a laptop and a phone on one machine."""
