"""What the image consists of: the lock as the image installs it, its licences and known flaws."""
