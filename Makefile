# Every target sets itself up: `make run` on a machine with Python and nothing else of ours works.
#
# PORT, DATA_DIR and HTTPS=1 reach the venue; PYTHON names the interpreter for the virtual
# environment; ARGS is handed on to the command (make test ARGS="-k ladder").

SHELL := /bin/sh
VENV ?= .venv
PY := $(VENV)/bin/python
ARGS ?=
export VENV

.DEFAULT_GOAL := help
.PHONY: help run run-full setup test coverage lint format lock sbom clean \
	bench bench-engine bench-orders bench-pipeline bench-recovery bench-failover freeze-long \
	bench-mbo bench-mbo-apply replay-mbo crash-long property-long simulate simulate-long

help: ## show this list
	@echo "Rialto, a trading venue in a box"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r target text; do printf '%-20s %s\n' "$$target" "$$text"; done
	@echo "Settings: PORT (8000), DATA_DIR (var), HTTPS=1, PYTHON; see .env.example"

# `exec`: Ctrl-C reaches the venue once, and make has nothing to add to its orderly stop.
run: ## the venue in one process: SQLite, no servers needed
	@sh scripts/setup.sh run
	@exec $(PY) manage.py run_embedded $(ARGS)

run-full: ## the venue as separate processes on private PostgreSQL and Redis servers
	@sh scripts/setup.sh run
	@DJANGO_SETTINGS_MODULE=config.settings.embedded exec $(PY) manage.py run_full $(ARGS)

setup: ## make or refresh the virtual environment, with what tests and checks need
	@sh scripts/setup.sh dev

test: setup ## every test whose servers and browser are installed
	@RIALTO_SPEEDUPS=0 exec $(PY) -m pytest $(ARGS)

coverage: setup ## tests that run in one process, with line and branch coverage
	@RIALTO_SPEEDUPS=0 exec $(PY) -m pytest --cov --cov-report=term --cov-report=html tests/unit tests/property \
		tests/integration --ignore=tests/integration/bad_input \
		-m "not services and not browser" $(ARGS)

lint: setup ## formatting, lint, types, import contracts, missing migrations
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run --settings config.settings.test

format: setup ## format the sources and mend what the linter can mend
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: setup ## lock requirements*.in, with hashes; UPGRADE=1 takes the newest versions
	$(VENV)/bin/uv pip compile $(LOCK_OPTIONS) requirements.in --output-file requirements.txt
	$(VENV)/bin/uv pip compile $(LOCK_OPTIONS) requirements-dev.in \
		--constraints requirements.txt --output-file requirements-dev.txt
LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)

sbom: setup ## write build/sbom.cdx.json: what the venue is made of, in CycloneDX form
	@mkdir -p build
	$(VENV)/bin/cyclonedx-py requirements requirements.txt --of JSON \
		--output-file build/sbom.cdx.json

speedups: setup ## compile the core (needs a C compiler); used from then on until a source changes
	@exec $(PY) scripts/speedups.py build

speedups-clean: ## remove the compiled core
	rm -rf build/speedups build/speedups-scratch

test-speedups: setup ## the core's and the worker's tests against the compiled core
	@$(PY) scripts/speedups.py status || $(PY) scripts/speedups.py build
	@$(PY) scripts/speedups.py status
	@exec $(PY) -m pytest tests/unit/core tests/property tests/integration/test_pipeline.py \
		tests/integration/test_recovery.py tests/simulation/test_simulation.py --ignore=tests/property/feeds $(ARGS)

bench: bench-engine bench-pipeline bench-orders ## all benchmarks

bench-engine: setup ## commands per second of the matching core alone
	@$(PY) -m bench.bench_engine $(ARGS)

bench-orders: setup ## orders per second through the whole venue, full mode
	@$(PY) -m bench.bench_orders $(ARGS)

bench-recovery: setup ## how long the engine takes to recover from a million commands
	@$(PY) -m bench.bench_recovery $(ARGS)

bench-failover: setup ## how long orders wait when the leading engine is killed
	@$(PY) -m bench.bench_failover $(ARGS)

freeze-long: setup ## leaders that are frozen for 30 s and wake, three times
	@$(PY) -m bench.bench_failover --kills 3 --freeze-s 30 $(ARGS)

bench-pipeline: setup ## orders per second from a gateway through the engine and back, full mode's servers
	@$(PY) -m bench.bench_pipeline $(ARGS)

bench-mbo: setup ## market-by-order records over TCP into books, stored and served: ARGS="--sweep" for other rates
	@$(PY) -m bench.bench_mbo $(ARGS)

bench-mbo-apply: setup ## records per second that the books alone take, compiled and plain
	@$(PY) -m bench.bench_mbo_apply $(ARGS)

replay-mbo: setup ## recorded order flow through the public API: FILE=..., full mode
	@$(PY) -m bench.replay_mbo $(FILE) $(ARGS)

simulate: setup ## the venue on simulated time with faults: SEEDS=200 FROM=1, or SEED=7 with a trace
	@exec $(PY) -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) \
		$(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep $(KEEP)) $(ARGS)

simulate-long: setup ## the same with 10,000 seeds
	@exec $(PY) -m tests.simulation --seeds $(or $(SEEDS),10000) $(if $(FROM),--from $(FROM)) $(ARGS)

property-long: setup ## engine and naive venue on random commands: COMMANDS=1000000 SEED=1
	@exec $(PY) -m tests.property.long_run $(if $(COMMANDS),--commands $(COMMANDS)) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

crash-long: setup ## a hundred kills at random moments in each mode; ARGS="--kills 200 --seed 1"
	@$(PY) -m tests.crash --mode embedded $(ARGS)
	@$(PY) -m tests.crash --mode full $(ARGS)

clean: ## remove what was built and cached; keeps var/, where the venue's data is
	rm -rf $(VENV) build staticfiles htmlcov .coverage .pytest_cache .hypothesis .mypy_cache \
		.ruff_cache .import_linter_cache .schemathesis test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
