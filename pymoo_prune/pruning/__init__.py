"""What can be cut out of a network, and in which order."""
