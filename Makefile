# make demo    a day at the centre in small: a real Asterisk, real SIP calls, a rejected caller
# make test    every test, with real calls on Asterisk 22 and 16
# make faults  every fault of docs/reliability.md in full strength; writes that page
# make check   what must be clean before a commit: ruff, mypy, import contracts, fast tests
# Each installs what it needs (apt and a virtual environment in .venv).

VENV   := .venv
PYTHON := $(VENV)/bin/python
READY  := $(VENV)/.ready

.PHONY: demo test check faults fast format constraints golden docs prompts clean

demo: $(READY)
	@KEEP=$(KEEP) $(PYTHON) -m tests.lab.demo

test: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	$(PYTHON) -m pytest

check: $(READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) -m pytest -m "not pbx"

fast: $(READY)
	$(PYTHON) -m pytest -m "not pbx and not redis"

format: $(READY)
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

# Every way a call can go, played on the real PBXs and recorded anew.
golden: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	$(PYTHON) -m tests.pbx.scenarios --record
	$(PYTHON) -m tests.pbx.scenarios --table > docs/scenarios.md

# Every fault in full strength, with its figure; about ten minutes.
faults: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	@mkdir -p build && rm -f build/figures.jsonl
	$(PYTHON) -m pytest -m fault --full --figures build/figures.jsonl
	$(PYTHON) -m tests.faults build/figures.jsonl > build/reliability.md
	@mv build/reliability.md docs/reliability.md

# The pages that are made by the code they describe.
docs: $(READY)
	$(PYTHON) -m tests.core.walkthrough
	$(PYTHON) -m tests.pbx.scenarios --table > docs/scenarios.md

prompts:
	asterisk/sounds/make-prompts

# The versions that the tests passed with, without the address of any package index.
constraints: $(READY)
	$(PYTHON) -m pip freeze --exclude-editable | grep '==' > constraints.txt

$(READY): pyproject.toml constraints.txt tests/lab/prepare
	@sh tests/lab/prepare $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) dist build
