"""From bytes to valid rows: chunks, header, fields, instants, opening hours, and the reasons for rejecting a row."""
