# Each target is one script that works as the first command after a clone: it sets up and builds what it needs.
.PHONY: setup build quickstart check test bench format format-check lint tree-check cuda-check gcc-check fuzz asan ubsan tsan coverage code-map config-reference hooks

setup:
	tools/setup
build: setup
	tools/build
quickstart: build
	tools/quickstart/run
check:
	tools/check
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
tree-check:
	tools/tree_check
cuda-check:
	tools/cuda_check
gcc-check:
	tools/gcc_check
fuzz:
	tools/fuzz
asan ubsan tsan:
	tools/sanitize $@
coverage:
	tools/coverage
code-map:
	tools/code_map
config-reference: build
	tools/config_reference
hooks:
	git config core.hooksPath tools/hooks
