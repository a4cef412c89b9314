"""Where messages, archive and chart links go: SNS and S3. Imports contract and message."""
