"""Report records to JSON and one self-contained HTML page."""
