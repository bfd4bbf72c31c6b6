# make demo    a day at the centre in small: a real Asterisk, real SIP calls, a rejected caller
# make test    every test, with real calls on Asterisk 22 and 16
# make check   what must be clean before a commit: ruff, mypy, import contracts, fast tests
# Each installs what it needs (apt and a virtual environment in .venv).

VENV   := .venv
PYTHON := $(VENV)/bin/python
READY  := $(VENV)/.ready

.PHONY: demo test check fast format constraints golden docs image image-check prompts clean

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

# The pages that are made by the code they describe.
docs: $(READY)
	$(PYTHON) -m tests.core.walkthrough
	$(PYTHON) -m tests.pbx.scenarios --table > docs/scenarios.md

# The container image, with docker or buildah; image-check runs it beside a real PBX and calls it.
image: $(READY)
	tests/image/build $(PYTHON) siaga112 Dockerfile bookworm

image-check: image
	tests/image/build $(PYTHON) siaga112-lab tests/image/pbx/Dockerfile forky
	$(PYTHON) -m tests.image

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
