"""Why the old service's files cannot become a bundle."""

from __future__ import annotations


class LegacyError(Exception):
    """The files cannot become a bundle. The message says which, what is wrong with it, and what to do."""


class Unanswered(LegacyError):
    """The files leave something open. The message names the option that answers it."""
