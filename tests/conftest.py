"""For all tests: no deadline on property tests, because a busy machine is not a bug."""

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
