# Each target is one script that works as the first command after a clone: it sets up and builds what it needs.
.PHONY: setup build quickstart test bench format format-check lint cuda-check gcc-check fuzz

setup:
	tools/setup
build: setup
	tools/build
quickstart: build
	tools/quickstart/run
test:
	tools/test
bench:
	tools/bench/run
format:
	tools/format
format-check:
	tools/format --check
lint:
	tools/lint
cuda-check:
	tools/cuda_check
gcc-check:
	tools/gcc_check
fuzz:
	tools/fuzz
