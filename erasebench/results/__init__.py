"""What a run leaves for others: records, table columns, trials, recipes, published values."""
