"""Recorded charges as training material: files, sessions, the split by session, corruption. Imports scoring and
window."""
