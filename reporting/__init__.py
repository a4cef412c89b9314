"""The messages about anomalies and health, and where they go. docs/architecture.md has its rooms and their imports."""
