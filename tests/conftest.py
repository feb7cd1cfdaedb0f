"""What holds for every test."""

from hypothesis import settings

# How long one example takes is the machine's business, which runs four parts of the suite at once.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
