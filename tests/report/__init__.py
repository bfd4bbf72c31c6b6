"""Figures for the city: the golden month, the page, published figures, exports."""
