# 'make demo' and 'make test' set up all they need and are quick the second time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find csrc -type f) $(shell find facectrl_fast -name '*.pyx') CMakeLists.txt setup.py pyproject.toml

# Warnings of the compilers are errors here, though not for those who install a release.
export FACECTRL_WERROR := ON

# The newest PyTorch would do; a fixed one makes the training tests repeatable.
TORCH := torch==2.13.0
# Python's headers are those of the interpreter that PYTHON names.
SYSTEM_PACKAGES := build-essential pkg-config libdbus-1-dev libglib2.0-dev libjpeg-dev dbus \
	libgl1 python3-dev python3-venv
MODEL_DATA ?= ../shared/data
# What 'make test' is asked to count, by 'make test-all'.
COVERAGE :=
FUZZ_SECONDS ?= 480
SOAK_MINUTES ?= 30
FRESH_ROOT ?= /var/tmp/facectrl-fast
V4L2_VM ?= ../shared/tools/v4l2-vm
TEST_PACKAGES := ffmpeg mpv mpv-mpris playerctl python3-dbusmock systemd umockdev upower xvfb xauth faketime
# Compilers and checkers that look for faults.
TOOL_PACKAGES := clang libclang-rt-dev clang-tidy valgrind

.PHONY: help demo test test-all test-v4l2 test-v4l2-short bench bench-camera bench-compare bench-energy sanitize tidy instructions native-coverage fuzz-short fuzz faults soak-short soak check wheel wheel-test fresh-root docs audit \
	model detector-model cross-validate clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.installed ## set up and run the main job on a generated clip
	$(BIN)/facectrl-fast demo

test: $(VENV)/.installed-test $(VENV)/.system-test ## set up and run the suite
	$(BIN)/pytest -n auto --dist worksteal $(COVERAGE) \
		-m "not acceptance and not train and not sanitize and not fuzz and not soak and not faults and not packaging"

# 'make test' comes first, as it is for those who have no PyTorch.
test-all: ## also training and acceptance tests (PyTorch, long), and coverage
	$(MAKE) test COVERAGE="--cov --cov-report="
	$(MAKE) $(VENV)/.installed-train
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal -m "train and not acceptance" \
		--cov --cov-append --cov-report=term --cov-fail-under=95
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "acceptance and not vm"

check: $(VENV)/.installed-train ## ruff and mypy (PyTorch, whose types the training code uses)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-v4l2: $(VENV)/.installed-test $(VENV)/.system-test ## cameras of the kernel's own drivers, and the service, in a virtual machine
	@$(need_v4l2_vm)
	V4L2_VM=$(V4L2_VM) FACECTRL_TEST_CYCLES=2000 $(BIN)/pytest -rs -m vm

test-v4l2-short: $(VENV)/.installed-test $(VENV)/.system-test ## the same, no more than frames of a USB webcam
	V4L2_VM=$(V4L2_VM) $(BIN)/pytest -rs -m vm -k test_the_usb_webcam

sanitize: $(VENV)/.installed-test ## the native code's own tests under the sanitizers
	$(BIN)/pytest -n auto -m sanitize tests/native

tidy: $(VENV)/.installed-tools ## clang-tidy over the native code
	$(BIN)/cmake -S . -B build/tidy -G Ninja -DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python \
		-DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
		-Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir) >/dev/null
	printf '%s\n' csrc/*.cpp | xargs -n 1 -P $$(nproc) clang-tidy -quiet -p build/tidy \
		--extra-arg=-Wno-ignored-optimization-argument

instructions: $(VENV)/.system-tools ## instructions of the kernels, beside those that are kept; fails where one takes more
	$(PYTHON) tests/native/instructions.py

native-coverage: $(VENV)/.installed-tools $(VENV)/.system-test ## lines of the native code that the tests run
	$(BIN)/python tests/native/coverage.py --least 90

fuzz-short: $(VENV)/.installed-tools ## every fuzzer for seconds, and that it finds defects
	$(BIN)/python tests/fuzz/run.py --seconds 8
	$(BIN)/pytest -n auto tests/fuzz

faults: $(VENV)/.installed-test $(VENV)/.system-test ## the running program when what it depends on fails
	$(BIN)/pytest -n 2 tests/faults

soak-short: $(VENV)/.installed-test $(VENV)/.system-test ## the whole program for three minutes, with faults, and that it finds defects
	$(BIN)/python tests/soak/run.py --minutes 3 --seed 1
	$(BIN)/pytest tests/soak

soak: $(VENV)/.installed-test $(VENV)/.system-test ## the same for half an hour
	$(BIN)/python tests/soak/run.py --minutes $(SOAK_MINUTES)

fuzz: $(VENV)/.installed-tools ## every fuzzer for FUZZ_SECONDS (an hour in all)
	$(BIN)/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS)

bench: $(VENV)/.installed-test ## measure; saves JSON under .benchmarks
	$(BIN)/pytest bench --benchmark-only --benchmark-autosave --benchmark-group-by=group

bench-energy: $(VENV)/.installed-test $(VENV)/.system-test ## what watching costs, the whole program beside others (half an hour)
	$(BIN)/python bench/energy.py

bench-camera: $(VENV)/.installed-test ## what a camera's frame costs, beside OpenCV, in the virtual machine
	@$(need_v4l2_vm)
	for driver in vivid uvc; do \
		$(V4L2_VM) --driver $$driver --timeout 600 -- $(BIN)/python bench/camera_cost.py /dev/video0; \
	done

bench-compare: $(VENV)/.installed-test ## measure again; fails where the median got 30 % slower
	@ls .benchmarks/*/*.json >/dev/null 2>&1 || \
		{ echo "nothing to compare with: run 'make bench' on the older state first" >&2; exit 1; }
	$(BIN)/pytest bench --benchmark-only --benchmark-group-by=group --benchmark-compare \
		--benchmark-compare-fail=median:30%

wheel: $(VENV)/.installed-test ## build a wheel and an sdist into dist/
	rm -rf build/lib.* build/bdist.* dist
	$(BIN)/python -m build --outdir dist .

wheel-test: $(VENV)/.installed-test $(VENV)/.installed-tools ## wheels: what is in them, the same bytes each time, the demo from them
	$(BIN)/pytest -n 2 tests/packaging

fresh-root: ## README's two commands in a bare Debian, timed (asks for root and debootstrap; ten minutes)
	tests/packaging/fresh_root.sh $(FRESH_ROOT)

docs: $(VENV)/.installed-tools ## the documentation as pages, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

audit: $(VENV)/.installed-tools ## known holes in what is depended on (asks PyPI)
	$(BIN)/pip-audit --skip-editable
	$(BIN)/pip-audit --disable-pip --no-deps -r .ci/constraints.txt

model: $(VENV)/.installed-train ## make the model that ships anew (an hour); MODEL_DATA names the pictures
	$(BIN)/python -m facectrl_fast.training.package_model $(MODEL_DATA) build/model

DETECTOR_BACKGROUNDS := gnome-backgrounds mate-backgrounds plasma-workspace-wallpapers \
	lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 sway-backgrounds ukui-wallpapers \
	nexuiz-textures openarena-081-textures ufoai-textures colobot-common-textures \
	tuxpaint-stamps-default sweethome3d-furniture \
	oxygen-icon-theme gnome-icon-theme adwaita-icon-theme faenza-icon-theme \
	freeorion-data openuniverse-common endless-sky-data scorched3d-data kalzium-data \
	lincity-ng-data flightgear-data-models enigma-data foobillardplus-data gnubg-data \
	trackballs-data

detector-model: $(VENV)/.installed-train ## make successors of the face detector that ships and of what looks closely for it (four hours on two cores), with backgrounds of Debian's
	mkdir -p build/detector/packages
	cd build/detector/packages && apt-get download $(DETECTOR_BACKGROUNDS)
	for package in build/detector/packages/*.deb; do dpkg -x $$package build/detector/backgrounds; done
	$(BIN)/python -m facectrl_fast.training.package_detector $(MODEL_DATA) \
		build/detector/backgrounds build/detector

cross-validate: $(VENV)/.installed-train ## how well models know strangers (an hour), after 'make model'
	$(BIN)/python bench/cross_validation.py build/model/composed $(MODEL_DATA)/headphones \
		$(MODEL_DATA)/models/mobilenet_v2-b0353104.pth

clean: ## remove what was built, keep the environment
	rm -rf build dist *.egg-info $(VENV)/.installed*
	find facectrl_fast -name '*.so' -delete

# System packages: asks for root only if something is missing.
$(VENV)/.system: Makefile
	@tools=$$(for p in $(SYSTEM_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	$(call apt_install,$$tools)
	@mkdir -p $(VENV) && touch $@

$(VENV)/.system-test: $(VENV)/.system
	@tools=$$(for p in $(TEST_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	$(call apt_install,$$tools)
	@touch $@

$(VENV)/.system-tools: $(VENV)/.system
	@tools=$$(for p in $(TOOL_PACKAGES); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	$(call apt_install,$$tools)
	@touch $@

define need_v4l2_vm
test -x $(V4L2_VM) || { \
	echo "cannot run: there is no $(V4L2_VM), which boots a virtual machine with a camera;" \
		"on a camera of your own: FACECTRL_TEST_CAMERA=/dev/video0 $(BIN)/pytest tests/camera," \
		"$(BIN)/python bench/camera_cost.py /dev/video0" >&2; \
	exit 1; \
}
endef

define apt_install
if ! command -v dpkg >/dev/null; then \
	echo "no Debian or Ubuntu: make sure that there is what $(SYSTEM_PACKAGES) $(TEST_PACKAGES) have"; \
elif [ -n "$(1)" ]; then \
	root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	echo "installing $(1)"; \
	$$root apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $$root apt-get install -y -qq --no-install-recommends $(1); \
fi
endef

$(VENV)/bin/python: | $(VENV)/.system
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-test: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e .[test]
	@touch $(VENV)/.installed $@

$(VENV)/.installed-tools: $(VENV)/.installed-test $(VENV)/.system-tools
	$(BIN)/pip install --quiet --disable-pip-version-check -e .[tools]
	@touch $@

$(VENV)/.installed-train: $(VENV)/.installed-test
	$(BIN)/pip install --quiet --disable-pip-version-check '$(TORCH)' -e .[train]
	@touch $@
