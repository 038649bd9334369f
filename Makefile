# Everything a newcomer needs is `make run` and `make test`; both set themselves up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
ARGS ?=
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

.PHONY: help setup setup-test run test test-all check lint types imports conventions migrations bench metrics corpus lab faults fuzz e2e messages docs lock

help: ## Show what make can do
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## Prepare what `make run` needs: system libraries, packages, browser assets
	@scripts/setup.sh run

setup-test: ## Prepare what `make test` and `make check` need
	@scripts/setup.sh test

run: setup ## Start everything on this machine; Ctrl-C stops it
	@exec $(BIN)/python manage.py up

test: setup-test ## Run the tests, on SQLite and on PostgreSQL (ARGS="-k word" selects)
	@exec $(BIN)/python scripts/run_tests.py $(ARGS)

test-all: setup-test ## Run those as well that show no more than others
	@exec $(BIN)/python scripts/run_tests.py --all $(ARGS)

check: lint types imports conventions migrations ## Everything that judges the code without running it

lint: setup-test ## Style of Python and templates
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/djlint --quiet --lint templates apps

types: setup-test ## Types of the server and of the agent
	$(BIN)/mypy apps streamswarm manage.py benchmarks scripts
	$(BIN)/mypy agent/src

imports: setup-test ## The rule who may import whom
	$(BIN)/lint-imports
	cd agent && PYTHONPATH=src ../$(BIN)/lint-imports --config pyproject.toml

conventions: setup-test ## Sizes, names, documentation: the rules no other tool knows
	$(BIN)/python -m pytest -q tests/test_conventions.py

migrations: setup-test ## Models and migrations agree; Django's own checks
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING

bench: setup-test ## Run the benchmarks (BENCH=name runs one), then list the missed goals
	$(BIN)/python -m benchmarks $(BENCH)

metrics: setup-test ## Count the metrics that the agent's tests really emit, and name the others
	$(BIN)/python -m pytest agent/tests tests/lab --emitted -q $(ARGS)

corpus: setup-test ## Record the corpus of diagnoses anew (needs root; a quarter of an hour)
	@rm -f tests/ml/corpus/cases.jsonl
	$(BIN)/python -m benchmarks.diagnosis --record

lab: setup-test ## The whole network laboratory (needs root)
	$(BIN)/python -m pytest tests/lab $(ARGS)
	$(BIN)/python -m pytest tests/lab/test_exclusive.py --database=postgresql $(ARGS)

faults: setup-test ## The whole fault matrix, in long rounds
	@rm -f var/faults.jsonl; mkdir -p var
	$(BIN)/python -m pytest -q tests/faults tests/scale tests/operations/test_up.py --rounds 20 --fault-table var/faults.jsonl $(ARGS)
	$(BIN)/python -m pytest -q tests/faults --database=postgresql -m "not faults" $(ARGS)
	@$(BIN)/python -m benchmarks.faults --table var/faults.jsonl

fuzz: setup-test ## Hostile input, the long form
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest tests/security tests/faults/test_poison.py $(ARGS)

e2e: setup-test ## Every story in headless Chromium
	$(BIN)/python -m pytest tests/browser $(ARGS)

messages: setup-test ## Gather what reports say into locale/, and compile it (needs gettext)
	$(BIN)/python manage.py makemessages --all --no-location --no-wrap --no-obsolete
	$(BIN)/python manage.py compilemessages --ignore=.venv --ignore=node_modules

docs: setup-test ## Check that the documentation and the code agree
	$(BIN)/python -m pytest tests/test_conventions.py -k docs $(ARGS)

lock: setup-test ## Pin every dependency anew (UPGRADE=1 takes the newest)
	cd requirements && for name in base node; do ../$(COMPILE) --output-file $$name.txt $$name.in || exit 1; done
	cd requirements && ../$(COMPILE) --constraint base.txt --output-file agent.txt agent.in
	cd requirements && ../$(COMPILE) --constraint base.txt --output-file parquet.txt parquet.in
	cd requirements && ../$(COMPILE) --constraint base.txt --constraint agent.txt --output-file dev.txt dev.in
	npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved
