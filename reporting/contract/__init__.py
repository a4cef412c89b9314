"""The contract of the topic: event types as pydantic models."""
