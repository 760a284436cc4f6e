# `make demo` and `make test` set up all that they need in .venv; they want Python >= 3.9 with venv, and no root.

PYTHON ?= python3
VENV := .venv
SOURCES := setup.cfg pyproject.toml $(wildcard plugins/bin/*)

.PHONY: demo test proof fuzz e2e bench lint prose generate manual docs rpm rpm-test clean

demo: $(VENV)/product
	PYTHONPATH=tests $(VENV)/bin/python demo/demo.py

test: $(VENV)/tests
	$(VENV)/bin/python -m pytest -q -n 2 --cov --cov-report=
	$(VENV)/bin/python -m coverage report --fail-under=100 --skip-covered

# The long proofs, in full, with what they found printed; PROOF=reduced tries each less often, as CI does. As root.
PROOF := full
proof: $(VENV)/tests
	VOMAP_PROOF=$(PROOF) $(VENV)/bin/python -m pytest -q $(if $(filter full,$(PROOF)),-s,-n 2 --durations=12) tests/proof

# Coverage-guided fuzzing of all that reads what others wrote, SECONDS in all; it goes on where the last run ended.
# FUZZ_PYTHON must be one that atheris has a wheel for: 3.11 to 3.13.
SECONDS := 120
FUZZ_PYTHON ?= $(PYTHON)
fuzz: build/fuzz/venv/ready
	PYTHONPATH=tests build/fuzz/venv/bin/python -m fuzz.run --seconds $(SECONDS)

# Real HTCondor and real ARC, and vomap's packages, in chroots that this makes: as root, on Debian, with a network and
# with all that `rpm` wants.
e2e: $(VENV)/tests rpm
	$(VENV)/bin/python -m pytest -q tests/e2e/test_htcondor.py tests/e2e/test_status.py tests/e2e/test_osg.py tests/e2e/test_lost_bans.py \
	    tests/e2e/test_arc.py tests/e2e/test_both.py tests/e2e/test_observe.py tests/docs/test_tutorial_chroot.py

# Everything that is said about speed, measured; BENCH=--ces adds real CEs, as `e2e` has them. It wants GNU time.
bench: $(VENV)/tests $(if $(findstring --ces,$(BENCH)),rpm)
	PYTHONPATH=tests:bench $(VENV)/bin/python bench/run.py --output docs/performance.md $(BENCH)

# `make lint` checks the prose of these: they have no findings. Add a path when `make prose PROSE=path` finds nothing.
# docs/reference is generated: correct the texts in tools/manual, the help of the verbs or the schema.
PROSE_CLEAN := \
    plugins/vomap plugins/bin bench demo tools \
    docs/design docs/explanation docs/reference docs/glossary.md docs/index.md \
    CONTRIBUTING.md tests

lint: $(VENV)/lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/bandit -q -c pyproject.toml -r plugins/vomap $(wildcard plugins/bin/*)
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --scripts-are-modules plugins/bin/vomap-htcondor plugins/bin/vomap-arc plugins/bin/vomap-token
	$(VENV)/bin/python -m tools.prose $(PROSE_CLEAN)

# Plain technical English in docstrings, comments, help and Markdown. PROSE="plugins/vomap/web docs" checks only these.
PROSE :=
prose: $(VENV)/product
	$(VENV)/bin/python -m tools.prose $(PROSE)

# The mapfile that ships is generated; CI does it again and finds no difference.
generate: $(VENV)/product
	$(VENV)/bin/vomap generate osg --source mapfiles/osg-topology --output mapfiles/osg.yaml

# The reference, the man pages and the completions, from the code: docs/reference, build/man, build/completions.
manual: $(VENV)/product
	$(VENV)/bin/python -m tools.manual

# The documentation to read in a browser, build/html; each warning is an error, in man pages, too. It needs `dot` of
# graphviz for the pictures, and `man`.
docs: $(VENV)/docs
	$(VENV)/bin/python -m tools.manual --lint
	$(VENV)/bin/python -m sphinx -q -n -W --keep-going -d build/doctrees docs build/html

# Packages for Enterprise Linux 9 and 10, into build/rpm, unless it has those of these very files: on Debian, with rpm,
# rpmlint and python3-packaging, and pyenv.
rpm:
	packaging/rpm/build.sh

# What becomes of them: installed, updated and removed, in empty folders and in chroots. As root.
rpm-test: $(VENV)/tests rpm
	$(VENV)/bin/python -m pytest -q tests/rpm

clean:
	rm -rf $(VENV) build plugins/*.egg-info .coverage

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/product: $(VENV)/bin/python $(SOURCES)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/tests: $(VENV)/product tests/requirements.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	touch $@

$(VENV)/docs: $(VENV)/product docs/requirements.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

$(VENV)/lint: $(VENV)/tests tests/requirements-lint.txt
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-lint.txt
	touch $@

build/fuzz/venv/ready: $(SOURCES) tests/requirements-fuzz.txt
	$(FUZZ_PYTHON) -m venv build/fuzz/venv
	build/fuzz/venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-fuzz.txt
	build/fuzz/venv/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@
