"""Events from the topic and from the archive: a temporary queue, filters, a printer. Imports reporting and
consumer.offline."""
