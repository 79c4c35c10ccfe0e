"""Pass, contract, verification, records, recipes to pipelines."""
