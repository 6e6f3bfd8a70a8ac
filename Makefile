# Each target is one script; `make quickstart` and `make test` work as the first command after a clone.
.PHONY: build quickstart test format format-check lint cuda-check gcc-check bench setup

setup:
	tools/setup
build: setup
	tools/build
quickstart: build
	tools/quickstart/run
test:
	tools/test
format:
	tools/format
format-check:
	tools/format --check
lint: build
	tools/lint
cuda-check: setup
	tools/cuda_check
gcc-check: setup
	tools/gcc_check
bench: build
	tools/bench/run
