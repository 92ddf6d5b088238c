#!/usr/bin/env python3
"""Writes a model of a known shape with random weights as a GGUF file: it says nothing sensible, at the speed of a real one.

    synthetic.py SHAPE FILE.gguf [--type q2_0|q4_0] [--context N]

SHAPE is smollm2-135m, llama-3.2-1b or llama-2-7b. Linears are of the type that is named, embedding and head Q8_0.
"""

import argparse
import random
import struct

# blocks, hidden, ffn, heads, key/value heads, vocabulary, tied head
SHAPES = {
    "smollm2-135m": (30, 576, 1536, 9, 3, 49152, True),
    "llama-3.2-1b": (16, 2048, 8192, 32, 8, 128256, True),
    "llama-2-7b": (32, 4096, 11008, 32, 32, 32000, False),
}
# number, weights of a group, bytes of codes after its fp16 scale, largest code's distance from zero, file type
TYPES = {"q2_0": (42, 64, 16, 2, 41), "q4_0": (2, 32, 16, 8, 2), "q8_0": (8, 32, 32, 127, 7), "f32": (0, 1, 4, 0, 0)}
UINT32, FLOAT32, STRING, ARRAY = 4, 6, 8, 9
GROUPS = 4096  # that are random, over and over


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, value):
    if isinstance(value, list):
        body = struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(text, value))
    elif isinstance(value, str):
        body = struct.pack("<I", STRING) + text(value)
    elif isinstance(value, float):
        body = struct.pack("<If", FLOAT32, value)
    else:
        body = struct.pack("<II", UINT32, value)
    return text(key) + body


def letters():
    """What byte-level BPE writes for the 256 bytes."""
    shifted = iter(range(256, 512))
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte if byte in plain else next(shifted)) for byte in range(256)]


def metadata(shape, kind, context):
    blocks, hidden, ffn, heads, kv_heads, vocabulary, _ = SHAPES[shape]
    known = letters()
    known.append(known[0] * 2)  # there has to be a merge
    return {
        "general.architecture": "llama",
        "general.name": shape + " shape, random weights",
        "general.file_type": TYPES[kind][4],
        "general.quantization_version": 2,
        "llama.block_count": blocks,
        "llama.context_length": context,
        "llama.embedding_length": hidden,
        "llama.feed_forward_length": ffn,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv_heads,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": hidden // heads,
        "llama.rope.freq_base": 10000.0,
        "llama.vocab_size": vocabulary,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": known + [f"[{i}]" for i in range(len(known), vocabulary)],
        "tokenizer.ggml.merges": [f"{known[0]} {known[0]}"],
        "tokenizer.ggml.eos_token_id": vocabulary - 1,
    }


def tensors(shape, kind):
    """Names, types, rows and row lengths."""
    blocks, hidden, ffn, heads, kv_heads, vocabulary, tied = SHAPES[shape]
    kv = hidden // heads * kv_heads
    yield "token_embd.weight", "q8_0", vocabulary, hidden
    for b in range(blocks):
        yield f"blk.{b}.attn_norm.weight", "f32", None, hidden
        for name, rows, columns in (
            ("attn_q", hidden, hidden),
            ("attn_k", kv, hidden),
            ("attn_v", kv, hidden),
            ("attn_output", hidden, hidden),
        ):
            yield f"blk.{b}.{name}.weight", kind, rows, columns
        yield f"blk.{b}.ffn_norm.weight", "f32", None, hidden
        for name, rows, columns in (("ffn_gate", ffn, hidden), ("ffn_up", ffn, hidden), ("ffn_down", hidden, ffn)):
            yield f"blk.{b}.{name}.weight", kind, rows, columns
    yield "output_norm.weight", "f32", None, hidden
    if not tied:
        yield "output.weight", "q8_0", vocabulary, hidden


def size(kind, rows, columns):
    _, group, code_bytes, _, _ = TYPES[kind]
    return (rows or 1) * columns // group * (code_bytes + (0 if kind == "f32" else 2))


def write(file, kind, rows, columns):
    """Groups with random codes and one scale, which keeps a product as large as its input."""
    if kind == "f32":
        file.write(struct.pack("<f", 1) * columns)
        return
    _, _, code_bytes, most, _ = TYPES[kind]
    scale = struct.pack("<e", 1.5 / most / columns**0.5)
    chunk = b"".join(scale + random.randbytes(code_bytes) for _ in range(GROUPS))
    left = size(kind, rows, columns)
    while left > 0:
        left -= file.write(chunk[:left])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("file")
    parser.add_argument("--type", choices=("q2_0", "q4_0"), default="q2_0")
    parser.add_argument("--context", type=int, default=4096)
    arguments = parser.parse_args()
    random.seed(1)
    values = metadata(arguments.shape, arguments.type, arguments.context)
    all_tensors = list(tensors(arguments.shape, arguments.type))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(all_tensors), len(values))
    head += b"".join(entry(key, value) for key, value in values.items())
    offset = 0
    for name, kind, rows, columns in all_tensors:
        dimensions = [columns] if rows is None else [columns, rows]
        head += text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, TYPES[kind][0], offset)
        offset += (size(kind, rows, columns) + 31) // 32 * 32
    with open(arguments.file, "wb") as file:
        file.write(head)
        for _, kind, rows, columns in all_tensors:
            file.write(bytes(-file.tell() % 32))
            write(file, kind, rows, columns)
        file.write(bytes(-file.tell() % 32))


if __name__ == "__main__":
    main()
