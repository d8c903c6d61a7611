"""The weight-free engine: it borrows hidden background from other frames."""
