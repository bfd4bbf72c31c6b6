# make demo    a day at the centre in small: a real Asterisk, real SIP calls, a rejected caller
# make test    the tests, with real calls on Asterisk 22 and 16
# make night   what is too long for make test: loads, attacks, Asterisk 16 once more, pages of the manual
# make faults  every fault of docs/reliability.md in full strength; writes that page
# make check   what must be clean before a commit: ruff, mypy, import contracts, fast tests
# make bench   how fast it is, beside its peers and the limit: rewrites benchmarks/README.md (15 minutes)
# make docs-site  the documentation as a site in build/site, in English and Indonesian, checked in a browser
# Each installs what it needs (apt and a virtual environment in .venv).

# Whatever the environment says: without bytecode each start of the program compiles all of it, a third of its time.
export PYTHONDONTWRITEBYTECODE :=

VENV   := .venv
PYTHON := $(VENV)/bin/python
READY  := $(VENV)/.ready
# Most of a test's time with a PBX is waiting for calls: files are played side by side, in our order (tests/order.py).
# No run lasts for ever: after 35 minutes no further test is begun, each test has its own limit (tests/limits.py),
# and what even that does not end is ended from outside, with the stacks of the process.
PYTEST := timeout --foreground --signal=ABRT --kill-after=30 2400 \
          $(PYTHON) -m pytest -n 4 --dist loadfile --no-loadscope-reorder --session-timeout 2100

.PHONY: demo test night check lint fast format constraints golden docs prompts clean dashboards
.PHONY: dashboards-check dashboards-images report-picture fuzz soak audit faults image image-check
.PHONY: dist sbom deb words pictures fuzz-api image-pins interrupts steady bench bench-check install-log docs-site

demo: $(READY)
	@KEEP=$(KEEP) $(PYTHON) -m tests.lab.demo

test: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	$(PYTEST)

night: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	$(PYTEST) --night -m night

check: lint
	$(PYTEST) -m "not pbx and not slow"

lint: $(READY)
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

fast: $(READY)
	$(PYTEST) -m "not pbx and not redis and not postgresql and not slow"

format: $(READY)
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

# Every way a call can go, played on the real PBXs and recorded anew.
golden: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	$(PYTHON) -m tests.pbx.scenarios --record
	$(PYTHON) -m tests.backtest.record
	$(PYTHON) -m tests.pbx.scenarios --table > docs/scenarios.md

# Every fault in full strength, with its figure; some forty minutes.
faults: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	@mkdir -p build && rm -f build/figures.jsonl
	$(PYTHON) -m pytest -m fault --full --figures build/figures.jsonl
	$(PYTHON) -m tests.faults build/figures.jsonl > build/reliability.md
	@mv build/reliability.md docs/reliability.md

# The pages that are made by the code they describe.
docs: $(READY)
	$(PYTHON) -m tests.core.walkthrough
	$(PYTHON) -m tests.backtest.page
	$(PYTHON) -m tests.pbx.scenarios --table > docs/scenarios.md
	$(PYTHON) -m tests.pbx.doctor > docs/doctor.md
	$(PYTHON) -m tests.commands > docs/commands.md
	$(PYTHON) -m tests.prompts > docs/prompts.md
	$(PYTHON) -m tests.database
	$(PYTHON) -m tests.privacy

# All pages as a site in build/site (a minute): fails on a warning, a broken link or anchor, a request to another host,
# or a page that scrolls sideways on a telephone. REPOSITORY=https://… links the files that are not on the site.
docs-site: $(READY)
	$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@$(PYTHON) -m tests.docs_site $(if $(REPOSITORY),--repository $(REPOSITORY))

# The catalogues of translations, brought up to what the code says; names what is to be translated.
words: $(READY)
	@$(PYTHON) -m tests.words

# Grafana's JSON from the code beside it.
dashboards: $(READY)
	$(PYTHON) -m config.grafana

# Every query of every dashboard, on a real Prometheus after a day of real calls.
dashboards-check: $(READY)
	@$(PYTHON) -m tests.grafana

# The dashboards as pictures, after a made-up month of calls (some minutes).
dashboards-images: $(READY)
	$(PYTHON) -m tests.grafana.pictures

# The manual's pictures of the report: the centre's first month, printed by Chromium.
report-picture: $(READY)
	$(PYTHON) -m tests.report.picture

# The pictures of docs/panduan.md: the console of a small centre, in Indonesian (half a minute).
pictures: $(READY)
	$(PYTHON) -m tests.console.pictures

# A million odd inputs for each codec, command lines, configurations and files, led by coverage (hours); what reaches
# something new is kept in tests/fuzz/corpus.
fuzz: $(READY)
	$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-tools.lock
	$(PYTHON) -m tests.fuzz $(if $(RUNS),--runs $(RUNS))

# The API attacked from its own description, some 20,000 questions (five minutes).
fuzz-api: $(READY)
	$(PYTHON) -m tests.console.described

# `make test` five times in a row (TIMES=…) while every core is busy with something else (two hours on two cores).
steady: $(READY)
	$(PYTHON) -m tests.steady $(if $(TIMES),--times $(TIMES))

# Ctrl-C at a random moment of every command, 200 times each; prints a table (an hour or more).
interrupts: $(READY)
	@$(PYTHON) -m tests.interrupts $(TRIES)

# Ten calls a second for an hour (SECONDS=…): memory and descriptors, drawn in docs/images/soak.png.
soak: $(READY)
	$(PYTHON) -m tests.soak $(if $(SECONDS),--seconds $(SECONDS)) --plot docs/images/soak.png

# Known holes in what constraints.txt pins; needs a package index that serves them, or the network for OSV=1.
audit: $(READY)
	$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-tools.lock
	$(VENV)/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt $(if $(OSV),-s osv)

# The README's installation and the manual's on fresh machines, Debian 12 and 13, plain and of FreePBX's shape, timed:
# rewrites docs/install-log.md (ten minutes, as root).
install-log: $(READY)
	$(PYTHON) -m tests.lab.roots 22 16
	$(PYTHON) -m tests.install docs/install-log.md

# The wheel and the sdist, as they are released: of one commit always the same bytes.
dist: $(READY)
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(PYTHON) -m hatchling build -d dist

# What the release is made of, as CycloneDX: every locked package with its version and hashes.
sbom: $(READY)
	$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-tools.lock
	$(PYTHON) -m tests.sbom dist

# A .deb for the Debian that this runs on (12 or 13); it needs python3-venv and dpkg-dev.
deb: dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) packaging/deb/build dist/*.whl dist

# The container image, with docker or buildah; image-check runs it beside a real PBX and calls it.
image: $(READY)
	tests/image/build $(PYTHON) siaga112 Dockerfile bookworm

image-check: image
	tests/image/build $(PYTHON) siaga112-lab tests/image/pbx/Dockerfile forky
	$(PYTHON) -m tests.image

bench: $(READY)
	$(PYTHON) -m tests.lab.roots 22
	$(PYTHON) -m benchmarks

# Are the ratios still those that benchmarks/recorded.json holds?
bench-check: $(READY)
	$(PYTHON) -m benchmarks --check

# Speaks asterisk/sounds/prompts.toml. With CONFIG=/etc/siaga112/siaga112.toml TO=/usr/share/asterisk/sounds it speaks
# one prompt alone, into Asterisk's folder: where to object, as [citizen] contact has it.
prompts:
	asterisk/sounds/make-prompts $(if $(CONFIG),--contact $(CONFIG)) $(if $(TO),--to $(TO))

LOCK := $(VENV)/bin/uv pip compile -c constraints.txt --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate -q

# The versions that the tests passed with, without the address of any package index; with hashes, what is
# installed: of the daemon (with PostgreSQL too), the tests, fuzz, audit and sbom, the site, the wheel's build, and Ansible.
constraints: $(READY)
	$(PYTHON) -m pip freeze --exclude-editable | grep '==' > constraints.txt
	$(PYTHON) -m pip install -qq --disable-pip-version-check uv
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --extra pdf -o requirements-pdf.lock
	$(LOCK) pyproject.toml --extra postgresql -o requirements-postgresql.lock
	$(LOCK) pyproject.toml --extra dev -o requirements-dev.lock
	$(LOCK) pyproject.toml --extra fuzz --extra audit --extra sbom -o requirements-tools.lock
	$(LOCK) pyproject.toml --extra docs -o requirements-docs.lock
	echo hatchling | $(LOCK) - -o requirements-build.lock
	echo ansible-core | $(LOCK) - -o requirements-ansible.lock

# Pins the images that are built on and run to what the registries have now, in place of any digest before;
# needs docker and the network. A tag can be given another content later, a digest cannot.
image-pins:
	@for image in debian:bookworm-slim debian:forky-slim $$(sed -n 's#^ *image: \([a-z]*/[^@]*\).*#\1#p' compose.yaml); do \
		digest=$$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$$image") || exit 1; \
		sed -i "s#$$image\(@sha256:[0-9a-f]*\)\?#$$image@$$digest#" compose.yaml Dockerfile tests/image/pbx/Dockerfile; \
		echo "$$image@$$digest"; done

$(READY): pyproject.toml requirements-dev.lock tests/lab/prepare
	@sh tests/lab/prepare $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) dist build
