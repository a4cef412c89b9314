"""What leaves: messages, minutes of the archive, quarantine, charts that are due, mutes applied. Pure; imports intake,
state and stream."""
