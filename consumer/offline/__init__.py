"""The lane and its scorer on recorded data, readers of archive and ledger, and backups of the state, for commands.
Imports every room but worker."""
