"""What several commands share: inputs, times, progress bars. Imports models.data and consumer.table when a
command needs them."""
