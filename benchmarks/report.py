import json
from pathlib import Path
def check(book): return 0
def write(book): pass
def keep(book):
    (Path(__file__).parent/".built"/"last.json").write_text(json.dumps(book.values))
