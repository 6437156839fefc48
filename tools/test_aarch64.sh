#!/usr/bin/env bash
# Cross-compiles the core for aarch64 and runs the tests of its kernels (generic and NEON) under qemu-user.
#   apt-get install g++-aarch64-linux-gnu qemu-user
#   tools/test_aarch64.sh [BUILD_DIRECTORY]
# The emulator is some fifty times slower than a CPU: the tests run reduced (see cpp/tests/values.h).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build="${1:-build/aarch64}"

for tool in cmake aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$tool" > /dev/null || { echo "missing: $tool" >&2; exit 2; }
done
cmake -S . -B "$build" -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux-gnu.cmake" -DCMAKE_BUILD_TYPE=Release \
  -DZEROSKIP_BUILD_TESTS=ON -DZEROSKIP_BUILD_PYTHON=OFF
cmake --build "$build"
ZEROSKIP_REDUCED_TESTS=1 ctest --test-dir "$build" --output-on-failure --verbose
