"""What the image is made of: the lock as it is installed there, and its licences."""
