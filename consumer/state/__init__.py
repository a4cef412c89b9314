"""The state of a lane: head, windows, ledger, ownership, and the commit that makes them durable. Imports errors and
reporting."""
