# Two commands: `make run` starts everything, `make test` checks everything. Both set up what they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip --quiet
# Trust what the system trusts, as pip, git and curl do; a system without certificates keeps uv's own.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs),1,0)

.PHONY: run test check format bench chaos soak proofs peers lock clean

run: .venv/run.stamp
	@$(BIN)/tocsin up $(ARGS)

test: check
	@$(BIN)/python -m pytest -n $${TOCSIN_TEST_PROCESSES:-2} --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/test.stamp
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Small sizes, some minutes; bench/README.md tells the sizes behind its table. Rows whose peer is missing are skipped.
bench: .venv/test.stamp
	@$(BIN)/python -m bench.front --seconds 2 --rounds 3
	@$(BIN)/python -m bench.engine --jobs 4000 --rounds 3
	@$(BIN)/python -m bench.queues --quick
	@$(BIN)/python -m bench.checks --checks 5000 --rounds 3
	@$(BIN)/python -m bench.samples 1000000
	@$(BIN)/python -m bench.live --clients 300 --seconds 3
	@$(BIN)/python -m bench.monitors
	@$(BIN)/python -m bench.alerts

# The queues that the engine is measured beside, in an environment of their own: they need another release of redis-py.
peers: .venv-peers/stamp

.venv-peers/stamp: .venv/uv.stamp bench/peers/requirements.lock
	@$(PYTHON) -m venv .venv-peers
	@$(UV) install --python .venv-peers/bin/python --require-hashes -r bench/peers/requirements.lock
	@touch $@

# Kills, wipes and restarts among many jobs and monitors; fails if anything was lost or doubled. See docs/proofs.md.
chaos: .venv/test.stamp
	@$(BIN)/python -m chaos --jobs $(or $(JOBS),100000) --rate $(or $(RATE),300) --seed $(or $(SEED),1) --seconds $(or $(SECONDS),3600) --monitors $(or $(MONITORS),0) --alerts $(or $(ALERTS),0)

# Mixed load for a while; fails when anything grows that should not.
soak: .venv/test.stamp
	@$(BIN)/python -m chaos.soak --minutes $(or $(MINUTES),20) --monitors $(or $(MONITORS),300)

# The proofs alone, the random walk of jobs as long as an hour.
proofs: .venv/test.stamp
	@TOCSIN_PROOF_EXAMPLES=$(or $(EXAMPLES),3000) $(BIN)/python -m pytest tests/proofs $(ARGS)

format: .venv/test.stamp
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# The locks carry names, versions and hashes, and no address of a registry.
lock: .venv/uv.stamp
	@$(UV) compile --no-config --universal --generate-hashes --no-annotate --no-header --extra diagnostics --extra embedded --output-file requirements.lock pyproject.toml
	@$(UV) compile --no-config --universal --generate-hashes --no-annotate --no-header --all-extras --constraint requirements.lock --output-file requirements-test.lock pyproject.toml
	@$(UV) compile --no-config --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --output-file bench/peers/requirements.lock bench/peers/requirements.in

.venv/uv.stamp:
	@echo "Setting up .venv (once; needs the package registry)…"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv==0.13.*'
	@touch $@

.venv/run.stamp: .venv/uv.stamp requirements.lock pyproject.toml
	@$(UV) install --require-hashes -r requirements.lock
	@$(UV) install --no-deps -e .
	@touch $@

.venv/test.stamp: .venv/run.stamp requirements-test.lock
	@$(UV) install --require-hashes -r requirements-test.lock
	@touch $@

clean:
	@rm -rf .venv .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
