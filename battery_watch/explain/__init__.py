"""One sample scored again: the request, the check against what was sent, the view. Imports consumer.offline and
scoring."""
