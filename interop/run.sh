#!/usr/bin/env bash
# Holds what Salient writes and reads against Transformers, PEFT, GPTQModel and aqlm.
#
#   interop/run.sh MODEL [SCRATCH]    MODEL: a LLaMA-like model; SCRATCH: a folder for environment and models (default: /tmp/salient-interop)
#
# Installs Python packages on first use (several GB with PyTorch). Every check prints a line; the first that fails stops the script.
# Results: docs/results/interop.md.
set -euo pipefail

model=$(realpath "${1:?want the model, see the head of this script}")
mkdir -p "${2:-/tmp/salient-interop}"
scratch=$(realpath "${2:-/tmp/salient-interop}")
root=$(cd "$(dirname "$0")/.." && pwd)
ids="504 3575 282 4649 314 7042 30 198"
cd "$root"
./salient inspect "$model" >"$scratch/inspect.log" # builds the program, whose jars Logits.java needs

if [ ! -x "$scratch/venv/bin/python" ]; then
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install -q torch==2.15.* transformers==5.24.* safetensors peft==0.21.* numpy
    "$scratch/venv/bin/pip" install -q "aqlm[cpu]==1.1.7" accelerate scipy
    "$scratch/venv/bin/pip" install -q --no-build-isolation gptqmodel==7.7.0 optimum || echo "no GPTQModel here: its checks are left out"
fi

export_to() { # model, format, name of the result, options...
    local from=$1 format=$2 name=$3
    shift 3
    ./salient export "$from" --to "$format" --out "$scratch/$name" --verify --force "$@"
}

logits() { # name of a model
    local jars
    jars=$(echo cli/target/salient-*.jar cli/target/lib/*.jar | tr ' ' ':')
    "${JAVA_HOME:+$JAVA_HOME/bin/}java" --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED -cp "$jars" \
        interop/Logits.java "$scratch/$1" "$scratch/$1.logits" $ids
}

check() { # kind, name of the folder, name of the model whose logits it must have
    # one thread: in aqlm 1.1.7 several add to the same numbers at once
    NUMBA_NUM_THREADS=1 "$scratch/venv/bin/python" interop/check.py "$1" "$scratch/$2" "$scratch/$3.logits" $ids 2>"$scratch/check.log" | tail -1 ||
        { tail -5 "$scratch/check.log"; exit 1; }
}

has() { "$scratch/venv/bin/python" -c "import $1" 2>/dev/null; }

quantized() { # name, options: quantizes once
    local name=$1
    shift
    [ -f "$scratch/$name/config.json" ] || ./salient quantize "$model" --out "$scratch/$name" "$@"
    logits "$name"
}

echo "== 2 bits, rounded to nearest"
quantized rtn --method rtn --bits 2 --samples 4 --keep-budget 0.11
export_to "$scratch/rtn" hf rtn-f32 --dtype f32
check hf rtn-f32 rtn
export_to "$scratch/rtn" hf rtn-f16
logits rtn-f16
check hf rtn-f16 rtn-f16
for zeros in gptq gptq_v2; do
    export_to "$scratch/rtn" gptq "rtn-$zeros" --zero-points "$zeros"
    check gptq "rtn-$zeros" rtn
done
if has gptqmodel; then # it unpacks to fp16, as the folder in F16 was rounded
    check gptqmodel rtn-gptq_v2 rtn-f16
fi
export_to "$scratch/rtn" gguf rtn.gguf
export_to "$scratch/rtn.gguf" hf rtn-gguf-hf --dtype f32
check hf rtn-gguf-hf rtn
export_to "$scratch/rtn.gguf" gptq rtn-gguf-gptq

echo "== with an adapter that PEFT wrote"
rm -rf "$scratch/adapted"
cp -r "$scratch/rtn" "$scratch/adapted"
"$scratch/venv/bin/python" interop/make_adapter.py "$scratch/rtn-f32" "$scratch/adapted" 2>"$scratch/check.log"
logits adapted
export_to "$scratch/adapted" hf adapted-merged --dtype f32
check hf adapted-merged adapted
export_to "$scratch/adapted" hf adapted-peft --adapters peft --dtype f32
check hf-peft adapted-peft adapted
export_to "$scratch/adapted" gptq adapted-gptq
rm -rf "$scratch/dora"
cp -r "$scratch/rtn" "$scratch/dora"
"$scratch/venv/bin/python" interop/make_adapter.py "$scratch/rtn-f32" "$scratch/dora" dora 2>"$scratch/check.log"
logits dora
export_to "$scratch/dora" hf dora-merged --dtype f32
check hf dora-merged dora
export_to "$scratch/dora" hf dora-peft --adapters peft --dtype f32
check hf-peft dora-peft dora
export_to "$scratch/adapted" gguf adapted.gguf --merge --type f16
export_to "$scratch/adapted" gguf adapted8.gguf --merge --type q8_0

echo "== AWQ, packed by Python"
export_to "$model" hf original
PYTHONPATH=interop "$scratch/venv/bin/python" interop/make_awq.py "$scratch/original" "$scratch/awq" 2>"$scratch/check.log"
logits awq
check awq awq awq
export_to "$scratch/awq" gptq awq-gptq
check gptq awq-gptq awq
export_to "$scratch/awq" gguf awq.gguf
if has aqlm; then
    for form in "1 8" "2 8" "1 12"; do
        echo "== AQLM, ${form/ /x}, packed by the package aqlm"
        name=aqlm-${form/ /x}
        # shellcheck disable=SC2086 # two arguments
        "$scratch/venv/bin/python" interop/make_aqlm.py "$scratch/original" "$scratch/$name" $form 2>"$scratch/check.log"
        logits "$name"
        check aqlm "$name" "$name"
        export_to "$scratch/$name" aqlm "$name-again"
        check aqlm "$name-again" "$name"
    done
    export_to "$scratch/aqlm-2x8" hf aqlm-hf --dtype f32
    check hf aqlm-hf aqlm-2x8
fi
echo "== all checks passed"
