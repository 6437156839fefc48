"""Single convolutions of real networks: the sparse algorithm against the dense one of the native core."""
