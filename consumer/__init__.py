"""The worker: from the pages of a stream to durable commits. docs/architecture.md has its rooms and their imports."""
