"""Charts: what a person looks at to decide. Drawn in a process of their own."""
