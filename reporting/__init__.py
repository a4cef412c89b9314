"""What is told of anomalies and health, and where it goes. docs/architecture.md has its rooms and their imports."""
