from hypothesis import settings

# Examples share two cores with other work: how long one takes says nothing about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
