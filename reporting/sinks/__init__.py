"""The sinks: SNS for messages, S3 for the archive and the links to charts. Imports contract, message and duration."""
