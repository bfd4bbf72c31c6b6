def measure(book, *, quick, say): pass
