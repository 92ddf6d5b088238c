#!/usr/bin/env bash
# Holds what Salient writes and reads against the programs of others: Transformers, PEFT, GPTQModel, aqlm, llama.cpp.
#
#   interop/run.sh MODEL [SCRATCH [PART...]]
#
# MODEL    a LLaMA-like model
# SCRATCH  a folder for environment, llama.cpp and models (default: /tmp/salient-interop)
# PART     of: rounded adapters awq aqlm gptqmodel kquants llama (default: all, in this order)
# LOW      in the environment: a 2-bit folder of MODEL for the part llama (default: made by GPTQ)
# TEXT     in the environment: some thousand words of English to measure and calibrate on (default: the embedded model's stories)
#
# Installs Python packages on first use (several GB with PyTorch) and builds llama.cpp (15 minutes on 2 cores). Every check prints a line; a table
# at the end says which part passed, failed or was left out, and why; exit status 1 where one failed. Results: docs/results/interop.md.
set -euo pipefail

model=$(realpath "${1:?want the model, see the head of this script}")
mkdir -p "${2:-/tmp/salient-interop}"
scratch=$(realpath "${2:-/tmp/salient-interop}")
shift $(($# < 2 ? $# : 2))
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(rounded adapters awq aqlm gptqmodel kquants llama)
root=$(cd "$(dirname "$0")/.." && pwd)
ids="504 3575 282 4649 314 7042 30 198"
cd "$root"
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
"$java" --list-modules | grep -q '^java.base@\(2[5-9]\|[3-9][0-9]\)' || { echo "interop: $java is no JDK 25 or newer: set JAVA_HOME" >&2; exit 2; }
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

run_java() { # source file, arguments...
    local jars
    jars=$(echo cli/target/salient-*.jar cli/target/lib/*.jar | tr ' ' ':')
    "$java" --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED -cp "$jars" "$@"
}

logits() { # name of a model
    run_java interop/Logits.java "$scratch/$1" "$scratch/$1.logits" $ids
}

check() { # kind, name of the folder, name of the model whose logits it must have
    # one thread: in aqlm 1.1.7 several add to the same numbers at once
    NUMBA_NUM_THREADS=1 "$scratch/venv/bin/python" interop/check.py "$1" "$scratch/$2" "$scratch/$3.logits" $ids 2>"$scratch/check.log" | tail -1 ||
        { tail -5 "$scratch/check.log"; exit 1; }
}

python_part() { # script, arguments...
    PYTHONPATH=interop "$scratch/venv/bin/python" "$@" 2>"$scratch/check.log" || { tail -5 "$scratch/check.log"; exit 1; }
}

has() { "$scratch/venv/bin/python" -c "import $1" 2>/dev/null; }

left_out() { # why
    echo "$1" >"$scratch/why"
    exit 77
}

quantized() { # name, options: quantizes once
    local name=$1
    shift
    [ -f "$scratch/$name/report.json" ] || ./salient quantize "$model" --out "$scratch/$name" "$@"
    [ -f "$scratch/$name.logits" ] || logits "$name"
}

rounded() {
    stories
    quantized rtn --method rtn --bits 2 --samples 4 --keep-budget 0.11 --calibration "$TEXT"
}

dense() {
    [ -d "$scratch/original" ] || export_to "$model" hf original
}

demo() { # the embedded model: its rows are multiples of 256
    [ -d "$scratch/demo/original" ] || ./salient demo --out "$scratch/demo"
}

stories() {
    if [ -z "${TEXT:-}" ]; then
        demo
        TEXT=$scratch/demo/original/demo-evaluation.txt
    fi
}

llama() { # builds llama.cpp, and the program that writes its logits
    local folder=$scratch/llama source
    for tool in cmake ninja g++; do
        command -v "$tool" >/dev/null || left_out "no $tool here to build llama.cpp with"
    done
    [ -x "$folder/bin/llama-perplexity" ] || bench/peers/build-llama.sh "$folder"
    source=$(echo "$folder"/llama_cpp_python-*/vendor/llama.cpp)
    g++ -O2 -I "$source/include" -I "$source/ggml/include" interop/llama_logits.cpp -o "$folder/llama_logits" \
        -L "$folder/bin" -Wl,-rpath,"$(realpath "$folder/bin")" -lllama -lggml -lggml-base -lggml-cpu
}

part_rounded() { # 2 bits, rounded to nearest, as everything that holds them
    rounded
    export_to "$scratch/rtn" hf rtn-f32 --dtype f32
    check hf rtn-f32 rtn
    export_to "$scratch/rtn" hf rtn-f16
    logits rtn-f16
    check hf rtn-f16 rtn-f16
    for zeros in gptq gptq_v2; do
        export_to "$scratch/rtn" gptq "rtn-$zeros" --zero-points "$zeros"
        check gptq "rtn-$zeros" rtn
    done
    export_to "$scratch/rtn" gguf rtn.gguf
    export_to "$scratch/rtn.gguf" hf rtn-gguf-hf --dtype f32
    check hf rtn-gguf-hf rtn
    export_to "$scratch/rtn.gguf" gptq rtn-gguf-gptq
}

part_adapters() { # that PEFT wrote
    rounded
    export_to "$scratch/rtn" hf rtn-f32 --dtype f32
    for kind in lora dora; do
        rm -rf "$scratch/$kind"
        cp -r "$scratch/rtn" "$scratch/$kind"
        python_part interop/make_adapter.py "$scratch/rtn-f32" "$scratch/$kind" $kind
        logits $kind
        export_to "$scratch/$kind" hf $kind-merged --dtype f32
        check hf $kind-merged $kind
        export_to "$scratch/$kind" hf $kind-peft --adapters peft --dtype f32
        check hf-peft $kind-peft $kind
    done
    export_to "$scratch/lora" gptq lora-gptq
    export_to "$scratch/lora" gguf lora-merged.gguf --merge --type f16
    export_to "$scratch/lora" gguf lora-merged8.gguf --merge --type q8_0
}

part_awq() { # packed by Python
    dense
    python_part interop/make_awq.py "$scratch/original" "$scratch/awq"
    logits awq
    check awq awq awq
    export_to "$scratch/awq" gptq awq-gptq
    check gptq awq-gptq awq
    export_to "$scratch/awq" gguf awq.gguf
}

part_aqlm() { # packed by the package aqlm
    has aqlm || left_out "the package aqlm is not installed"
    dense
    local form name
    for form in "1 8" "2 8" "1 12" "1 16"; do
        name=aqlm-${form/ /x}
        # shellcheck disable=SC2086 # two arguments
        python_part interop/make_aqlm.py "$scratch/original" "$scratch/$name" $form
        logits "$name"
        check aqlm "$name" "$name"
        export_to "$scratch/$name" aqlm "$name-again"
        check aqlm "$name-again" "$name"
    done
    export_to "$scratch/aqlm-2x8" hf aqlm-hf --dtype f32
    check hf aqlm-hf aqlm-2x8
}

part_gptqmodel() { # reads what we write; we read what it writes
    has gptqmodel || left_out "GPTQModel is not installed"
    rounded
    export_to "$scratch/rtn" gptq rtn-gptq_v2
    export_to "$scratch/rtn" hf rtn-f16
    logits rtn-f16
    check gptqmodel rtn-gptq_v2 rtn-f16 # it unpacks to fp16, as that folder was rounded
    dense
    stories
    local bits
    for bits in 2 4; do
        [ -d "$scratch/gptq$bits" ] || GPTQMODEL_CPU_WORKERS=2 python_part interop/make_gptq.py "$scratch/original" "$TEXT" "$scratch/gptq$bits" gptq $bits
        logits gptq$bits
        check gptq gptq$bits gptq$bits
    done
}

part_kquants() { # llama-quantize's types, perplexities by both programs
    llama
    demo
    export_to "$scratch/demo/original" gguf kf16.gguf --type f16
    local type file theirs ours
    for type in F16 Q2_K Q3_K_M Q4_K_M Q5_K_M Q6_K IQ4_NL Q4_0 Q4_1 Q5_0 Q5_1 Q8_0; do
        file=$scratch/k-$type.gguf
        "$scratch/llama/bin/llama-quantize" "$scratch/kf16.gguf" "$file" $type >"$scratch/check.log" 2>&1 || { tail -5 "$scratch/check.log"; exit 1; }
        # the mean so far after each window, the last of which is the estimate
        theirs=$("$scratch/llama/bin/llama-perplexity" -m "$file" -f "$scratch/demo/original/demo-evaluation.txt" -c 256 -b 256 2>"$scratch/check.log" |
            grep -oE '\[[0-9]+\][0-9.]+' | tail -1 | sed 's/.*\]//')
        ours=$(./salient perplexity "$file" --text "$scratch/demo/original/demo-evaluation.txt" --window 256 --scoring llama.cpp --json |
            "$scratch/venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["perplexity"])')
        "$scratch/venv/bin/python" -c "
import sys
apart = abs($ours / $theirs - 1)
print(f'$type: llama.cpp $theirs, Salient {$ours:.4f}, {100 * apart:.2f} % apart')
sys.exit(apart > 0.005)"
    done
}

greedy() { # model for Salient, gguf, name, activations, [LoRA file]: what Salient writes, held against llama.cpp
    local out=$scratch/greedy-$3 ids
    rm -rf "$out"
    run_java interop/Greedy.java "$1" "$TEXT" "$out" "$4" || return 1
    for ids in "$out"/*.ids; do
        "$scratch/llama/llama_logits" "$2" "$ids" "${ids%.ids}.llama" ${5:+"$5"} || return 1
    done
    echo "$3:"
    "$scratch/venv/bin/python" interop/compare_llama.py "$out"
}

part_llama() { # the same 2-bit file in both, alone and with a LoRA file
    llama
    stories
    local low=${LOW:-$scratch/low} failed=0
    [ -n "${LOW:-}" ] || quantized low --method gptq --bits 2 --samples 32 --keep-budget 0 --calibration "$TEXT"
    export_to "$low" gguf low.gguf
    export_to "$low" hf low-f32 --dtype f32
    rm -rf "$scratch/low-lora"
    cp -r "$low" "$scratch/low-lora"
    python_part interop/make_adapter.py "$scratch/low-f32" "$scratch/low-lora" lora 0.03 # far more than llama.cpp's rounding
    export_to "$scratch/low-lora" gguf low-lora.gguf
    greedy "$scratch/low.gguf" "$scratch/low.gguf" alone f32 || failed=1
    greedy "$scratch/low-lora" "$scratch/low-lora.gguf" with-lora f32 "$scratch/low-lora.lora.gguf" || failed=1
    greedy "$scratch/low.gguf" "$scratch/low.gguf" alone-int8 int8 || failed=1
    return $failed
}

table=""
status=0
for part in "${parts[@]}"; do
    echo "== $part"
    set +e # behind || or if, a part would go on after what failed
    (
        set -e
        "part_$part"
    )
    rc=$?
    set -e
    case $rc in
        0) table+="$part: passed"$'\n' ;;
        77) table+="$part: left out, $(cat "$scratch/why")"$'\n' ;;
        *) table+="$part: FAILED"$'\n' status=1 ;;
    esac
done
printf '\n%s' "$table"
exit $status
