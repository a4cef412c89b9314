from __future__ import annotations

import signal

import pytest

from demo.interrupt import Interrupted, interrupts


def test_a_signal_is_noted_and_raised_at_the_next_pause() -> None:
    """Nothing is cut short between two pauses; the exit code is the shell's."""
    with interrupts() as interrupt:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted) as caught:
            interrupt.pause(60.0)
    assert caught.value.exit_code == 130


def test_a_second_signal_does_nothing_where_nobody_pauses() -> None:
    """Cleaning up has no pause, so impatience cannot leave a process behind."""
    with interrupts():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_after_rearming_the_next_signal_counts_again() -> None:
    """An endless demo ends its live part by one signal and its summary by another."""
    with interrupts() as interrupt:
        signal.raise_signal(signal.SIGINT)
        interrupt.rearm()
        interrupt.pause(0.0)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            interrupt.pause(0.0)
    assert caught.value.exit_code == 143


def test_the_handlers_of_before_come_back() -> None:
    """The demo leaves the process as it found it."""
    before = signal.getsignal(signal.SIGINT)
    with interrupts():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
