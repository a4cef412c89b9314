"""The lane and its scorer on recorded data, and readers of archive and ledger, for commands. Imports every room but
worker."""
