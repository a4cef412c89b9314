"""The contract of the topic: event types as pydantic models, the registry of health kinds, examples and the documents
made from them. Pure; imports no other room."""
