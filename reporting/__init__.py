"""What leaves: episodes, the contract of the topic, archive, topic and charts."""
