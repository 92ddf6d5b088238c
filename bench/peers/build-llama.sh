#!/usr/bin/env bash
# Builds llama.cpp from the source distribution of llama-cpp-python into a scratch folder: about 15 minutes on 2 cores.
# Needs python3 with venv, cmake, ninja and a C++ compiler.
#
#   build-llama.sh FOLDER [VERSION]     afterwards FOLDER/bin holds llama-bench, llama-quantize and llama-perplexity
set -euo pipefail
folder=${1:?folder to build in} version=${2:-0.3.36}
mkdir -p "$folder"
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install scikit-build-core
venv/bin/pip -q download --no-deps --no-binary :all: --no-build-isolation -d . "llama-cpp-python==$version"
tar xzf llama_cpp_python-*.tar.gz
cmake -S llama_cpp_python-*/vendor/llama.cpp -B build -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF >cmake.log
cmake --build build -j "$(nproc)" --target llama-bench llama-quantize llama-perplexity >build.log
ln -sfn build/bin bin
ls bin
