"""Text to records: YAML reading, documents, expression and type parsers, schema, printing."""
