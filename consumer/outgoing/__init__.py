"""What a lane publishes and writes: messages, minutes of the archive, quarantine, chart requests. Applies the mutes.
Pure; imports intake, state and stream."""
