"""Listening to the topic and reading the archive: a temporary queue, filters, a printer. Imports reporting and
consumer.offline."""
