"""What the page and the printed report draw and how they write values. Must not know HTML, the database or a page's layout."""
