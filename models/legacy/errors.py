"""What can stand between the old service's files and a bundle."""

from __future__ import annotations


class LegacyError(Exception):
    """The files cannot become a bundle. The message says which, what is wrong with it, and what to do."""


class Unanswered(LegacyError):
    """The files leave something open that the command line can say; the message names the option."""
