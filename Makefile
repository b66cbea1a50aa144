# The two commands of every day are `make demo` and `make test`; `make` alone lists them all.

PYTHON := .venv/bin/python
# Processes for the tests; the browser and the servers need some of each core, too.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
SEED ?= $(shell date +%s)
CODE := idp deploy tests $(wildcard benchmarks)

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset keycloak test lint sbom audit format campaign setup setup-test lock texts translations changelog reference migration clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 \t\2/p' Makefile | expand -t 26

demo: setup ## Start everything with 300 sample students on 127.0.0.1:8080 (IDP_PORT)
	@exec $(PYTHON) -m deploy.demo

demo-reset: setup ## Forget the demo's people and begin anew, then start
	@exec $(PYTHON) -m deploy.demo --reset

keycloak: setup ## Start a Keycloak to write students to, on 127.0.0.1:8180 (IDP_KEYCLOAK_PORT)
	@scripts/packages keycloak
	@exec $(PYTHON) -m deploy.keycloak

test: setup-test ## Run every test
	@$(PYTHON) -m pytest --numprocesses $(JOBS) --dist loadgroup $(ARGS)

campaign: setup-test ## Run every test at full counts; resumable by SEED=…; results go to docs/reference/campaign.md
	@$(PYTHON) -m tests.support.campaign --seed $(SEED) --jobs $(JOBS) $(ARGS)

lint: setup ## Check form, types, imports and dependencies
	@$(PYTHON) -m ruff check $(CODE)
	@$(PYTHON) -m ruff format --check $(CODE)
	@$(PYTHON) -m mypy --strict $(CODE)
	@.venv/bin/lint-imports
	@.venv/bin/deptry .

sbom: setup ## Write dist/sbom.json (CycloneDX): what an installation consists of, from the lock; the same each time
	@scripts/sbom

audit: setup ## Look for known vulnerabilities in what an installation consists of (asks pypi.org; ARGS="-s osv": osv.dev)
	@.venv/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/runtime-keycloak.txt $(ARGS)

format: setup ## Mend what can be mended by itself
	@$(PYTHON) -m ruff check --fix $(CODE)
	@$(PYTHON) -m ruff format $(CODE)

setup: ## Install what is missing, and nothing else
	@scripts/packages demo
	@scripts/venv
	@scripts/texts compile

setup-test:
	@scripts/packages $$(scripts/test-purpose $(ARGS))
	@scripts/venv
	@scripts/texts compile
	@[ "$$(scripts/test-purpose $(ARGS))" = unit ] || $(PYTHON) -m deploy.keycloak.install

texts: setup ## Collect the texts of pages into each package's translation catalogue
	@scripts/texts collect

translations: setup ## Compile the translation catalogues (every other command does so, too)
	@scripts/texts compile

changelog: setup ## Move the fragments of changelog.d into CHANGELOG.md
	@$(PYTHON) -m tests.support.changelog

reference: setup ## Generate the reference pages of settings, commands and attributes
	@scripts/settings-page
	@scripts/cli-page
	@scripts/json-page
	@scripts/attributes-page

migration: setup ## Write the next migration from the declared tables (NAME="add passkeys")
	@scripts/migration "$(NAME)"

lock: setup ## Write the locked requirements, with hashes (ARGS=--upgrade takes the newest versions)
	@scripts/lock $(ARGS)

clean: ## Remove what setup and tests made; the demo's data stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
