"""The contract of the topic: event types as pydantic models, examples, documents made of them. Pure; imports no other
room."""
