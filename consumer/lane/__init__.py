"""The lane: records in merged order, from the merge to a commit. Pure. Imports the rooms below; only worker and offline
import it."""
