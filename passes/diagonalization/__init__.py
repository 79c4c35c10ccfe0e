"""State-space recurrences brought to diagonal form, with certificates of the error."""
