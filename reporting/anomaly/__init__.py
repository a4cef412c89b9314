"""Episodes of anomalous samples, their evidence and messages. Pure; imports contract, keys, message and duration."""
