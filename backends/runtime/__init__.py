"""What all backends share: protocols, noise, comparison, data, executor, cache."""
