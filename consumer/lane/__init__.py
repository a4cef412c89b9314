"""The lane: records in merged order, from the merge to a commit. Pure; imports the rooms below, and nothing imports it
but worker and offline."""
