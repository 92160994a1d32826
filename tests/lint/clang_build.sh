#!/usr/bin/env bash
# Everything compiles under clang with every warning an error (preset `clang`).
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --preset clang >/dev/null
cmake --build --preset clang
