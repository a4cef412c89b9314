"""What the worker needs of its surroundings, checked one by one for the start and for `doctor`. Imports the rooms
below: stream, bundles, mutes."""
