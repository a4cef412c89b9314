"""Model bundles while the worker runs: where a bundle lies, the copy beside the state, the check for a new one. Imports
scoring, state, errors and aws."""
