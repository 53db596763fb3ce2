from hypothesis import settings

# No deadline for examples: cores are shared with other work.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
