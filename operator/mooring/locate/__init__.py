"""Where a volume's data lies, and who says so."""
