# Everything runs in the environment in .venv, which `make install` makes (and the others, if needed).
PYTHON := .venv/bin/python
# PYTHON_VERSION=3.12 chooses the Python of .venv, which is made anew where it has another one.
STAMP := .venv/.installed$(PYTHON_VERSION:%=-%)
LISTS := requirements.txt requirements-lava.txt pyproject.toml .ci/install.sh
CHECKS := ruff format mypy imports

NOTEBOOKS := $(wildcard notebooks/*.ipynb)

# Threads that wait sleep (onchip/waiting.py); a setting of the user's own wins.
ifeq ($(origin OMP_WAIT_POLICY)$(origin GOMP_SPINCOUNT),undefinedundefined)
demo test test-long notebooks notebooks-full: export OMP_WAIT_POLICY := passive
demo test test-long notebooks notebooks-full: export GOMP_SPINCOUNT := 0
endif

.PHONY: help install demo test test-long test-netx test-interchange test-neurobench test-sanafe test-nest test-wheel bench-peers lint $(CHECKS:%=lint-%) bench notebooks notebooks-full docs
.PHONY: clean distclean lint-tree
.DEFAULT_GOAL := help

help:
	@echo "make install    the environment in .venv: Python, pinned packages, Lava, this project"
	@echo "                PYTHON_VERSION=3.12 (or 3.10, 3.11, 3.13) for one that is not the newest found"
	@echo "make demo       train, export, drift, learn online in Lava; results in demo-results"
	@echo "make test       ruff, mypy, import-linter and the tests"
	@echo "make test-long  the tests of minutes: parity over a thousand steps and on Lava's own runtime, notebooks"
	@echo "make test-netx  network files in lava-dl's netx, in an environment of its own in .venv-netx"
	@echo "make test-interchange  networks of snnTorch, SpikingJelly, Norse and sinabs, in .venv-interchange"
	@echo "make test-neurobench  costs against NeuroBench's own metrics, in .venv-neurobench"
	@echo "make test-sanafe  spike traffic in SANA-FE (GPL-3.0), in .venv-sanafe"
	@echo "make test-nest  e-prop against NEST's (GPL-2.0), in .venv-nest"
	@echo "make test-wheel a wheel in a clean Python 3.10, in .venv-wheel: a user's program, mypy --strict"
	@echo "make lint       the same without the tests"
	@echo "make bench      the measurements in tests/benchmarks and the README tables (hours)"
	@echo "make bench-peers  a learning step against JAX, PyTorch, snnTorch, Brian2, NEST and others, in .venv-peers"
	@echo "make notebooks  runs the walkthroughs, quick and off the network (ten minutes at most)"
	@echo "make notebooks-full  runs them in full and keeps their outputs (NOTEBOOKS=... for some)"
	@echo "make docs       these pages as a site in build/docs (start at build/docs/docs/index.html)"
	@echo "make clean      remove caches and results (distclean: the environment too)"

install: $(STAMP)

$(STAMP): $(LISTS)
	@.ci/install.sh
	@touch $@

demo: $(STAMP)
	.venv/bin/onchip demo --out demo-results

# Every check runs, whatever the ones before it said. pytest comes last and prints its summary last.
test: $(STAMP)
	@echo "make test: $$($(PYTHON) -V), $(PYTHON)"
	@failed=""; \
	$(MAKE) --no-print-directory lint || failed="$$failed lint"; \
	$(PYTHON) -m pytest -n 2 --dist loadfile || failed="$$failed pytest"; \
	if [ -n "$$failed" ]; then echo "make test: failed:$$failed" >&2; exit 1; fi

test-long: $(STAMP)
	$(PYTHON) -m pytest -m long -n 2
	$(PYTHON) -m pytest --runtime=processes -n 2 --dist loadfile tests/parity tests/onchip/lava

# lava-dl is tied to Python 3.10 and NumPy 1, so it has an environment of its own.
test-netx: .venv-netx/.installed
	.venv-netx/bin/python -m pytest tests/netx

.venv-netx/.installed: $(LISTS) requirements-netx.txt
	@PYTHON_VERSION=3.10 VENV=.venv-netx EXTRA=requirements-netx.txt .ci/install.sh
	@touch $@

# The other frameworks ask for versions of nir that exclude each other: here they share one.
test-interchange: .venv-interchange/.installed
	.venv-interchange/bin/python -m pytest -W default tests/interchange

.venv-interchange/.installed: $(LISTS) requirements-interchange.txt
	@PYTHON_VERSION=3.12 VENV=.venv-interchange EXTRA=requirements-interchange.txt .ci/install.sh
	@touch $@

# NeuroBench, SANA-FE (GPL-3.0) and NEST (GPL-2.0) are no part of what this project needs: each has its own.
test-neurobench: .venv-neurobench/.installed
	.venv-neurobench/bin/python -m pytest tests/neurobench

test-sanafe: .venv-sanafe/.installed
	.venv-sanafe/bin/python -m pytest tests/sanafe

test-nest: .venv-nest/.installed
	.venv-nest/bin/python -m pytest tests/nest

.venv-%/.installed: $(LISTS) requirements-%.txt
	@VENV=.venv-$* EXTRA=requirements-$*.txt .ci/install.sh
	@touch $@

# The wheel as a user gets it, on the oldest Python: pip chooses the versions, not the pinned lists.
test-wheel: $(STAMP) .venv-wheel/.installed
	$(PYTHON) -m pytest -m long tests/wheel

.venv-wheel/.installed: $(LISTS) $(shell find onchip models deploy -name '*.py')
	@PYTHON_VERSION=3.10 VENV=.venv-wheel WHEEL=nir,live .ci/install.sh
	@touch $@

lint: $(STAMP)
	@failed=""; \
	for check in $(CHECKS); do \
		$(MAKE) --no-print-directory lint-$$check || failed="$$failed $$check"; \
	done; \
	if [ -n "$$failed" ]; then echo "make lint: failed:$$failed" >&2; exit 1; fi

lint-ruff: $(STAMP)
	$(PYTHON) -m ruff check .

lint-format: $(STAMP)
	$(PYTHON) -m ruff format --check .

lint-mypy: $(STAMP) lint-tree
	$(PYTHON) -m mypy

lint-imports: $(STAMP) lint-tree
	cd build/tree && $(CURDIR)/.venv/bin/lint-imports --no-logo --config $(CURDIR)/pyproject.toml

# One tree of what is imported as one package, copied: neither tool reads setuptools' package-dir,
# and import-linter does not follow links.
lint-tree:
	@rm -rf build/tree && mkdir -p build/tree
	@cp -Rp onchip build/tree/ && cp -Rp models deploy build/tree/onchip/

# Each script writes its own JSON; the first that fails stops the run. Those named *_gpu.py end with
# exit code 2 where there is no GPU, bench_nmnist.py where no folder is named: no failure.
bench: $(STAMP)
	@set -e; for script in tests/benchmarks/bench_*.py; do \
		[ -f "$$script" ] || { echo "make bench: no tests/benchmarks/bench_*.py" >&2; exit 1; }; \
		echo "$$script"; $(PYTHON) "$$script" || case "$$?:$$script" in 2:*_gpu.py|2:*_nmnist.py) ;; *) exit 1 ;; esac; \
	done; $(PYTHON) tests/benchmarks/draw_speed.py; $(PYTHON) tests/benchmarks/readme_tables.py

# Peers in an environment of their own. Rows that are there are kept; measure.py --fresh makes all anew.
bench-peers: .venv-peers/.installed
	.venv-peers/bin/python tests/benchmarks/peers/measure.py
	.venv-peers/bin/python tests/benchmarks/readme_tables.py

# The kernels inherit the environment: tests/notebooks/offline keeps every Python off the network.
# One thread each: the networks are small, and on a busy machine threads wait for each other.
notebooks notebooks-full: export OMP_NUM_THREADS ?= 1

notebooks: $(STAMP)
	ONCHIP_QUICK=1 PYTHONPATH="$(CURDIR)/tests/notebooks/offline:$(CURDIR)" \
		$(PYTHON) -m pytest --nbmake --timeout=600 --durations=0 -v $(NOTEBOOKS)

notebooks-full: $(STAMP)
	ONCHIP_QUICK=0 $(PYTHON) tests/notebooks/execute.py $(NOTEBOOKS)

# The notebooks are pages of the site, so their folder is its source; every warning is an error.
docs: $(STAMP)
	$(PYTHON) -m sphinx -W --keep-going --quiet -c notebooks/docs notebooks build/docs
	@echo "make docs: build/docs/docs/index.html"

clean:
	rm -rf demo-results build onchip.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-netx .venv-interchange .venv-neurobench .venv-sanafe .venv-nest .venv-wheel .venv-peers
