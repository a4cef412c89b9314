"""The version of the product. `pyproject.toml` has the same one: a test holds the two together."""

VERSION = "0.2.0.dev0"
