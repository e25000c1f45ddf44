# setup · demo · test · test-slow · coverage · lint · docs · bench. Everything is installed into .venv, hash-locked.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup demo test test-slow coverage lint docs bench lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "Installing the locked dependencies into $(VENV) …"
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@echo "Compiling the hunt's kernels, once …"
	@$(BIN)/python -m expunge.hunt.ready
	@touch $(STAMP)

# The tests of MySQL run on a real server; no wheel brings one. Tried once: `make clean` makes it try again.
$(VENV)/.mariadb: .ci/mariadb | setup
	@.ci/mariadb
	@touch $@

demo: setup
	@$(BIN)/python -m examples.home.demo

test: setup $(VENV)/.mariadb
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadgroup

test-slow: setup $(VENV)/.mariadb
	$(BIN)/python -m pytest -m slow -n 2 --dist loadgroup

# Branches, in every process. The four rooms that decide, seal, prove and erase have no line that no test reaches.
WHOLE := policy keys evidence erase

coverage: setup $(VENV)/.mariadb
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not slow" -n 2 --dist loadgroup
	$(BIN)/coverage combine --quiet
	@failed=0; \
	for room in $(WHOLE); do \
	  printf '\n=== %s: 100 %%\n' "$$room"; \
	  $(BIN)/coverage report --include="*/expunge/$$room/*" --fail-under=100 || failed=1; \
	done; \
	printf '\n=== everything else: 95 %%\n'; \
	$(BIN)/coverage report --omit="$$(printf '*/expunge/%s/*,' $(WHOLE))" --fail-under=95 || failed=1; \
	exit $$failed

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate -q src

docs: setup
	$(BIN)/python -m docs.generate

bench: setup
	$(BIN)/python bench/erase.py --quick

lock:
	$(BIN)/python -m uv pip compile pyproject.toml --group dev --all-extras --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis demo
