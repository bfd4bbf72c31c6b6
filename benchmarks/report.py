def check(book): return 0
def write(book): pass
