#!/usr/bin/env python3
"""Rounds a dense Hugging Face folder to additive codebooks and writes it as AQLM's convert_to_hf.py does.

    make_aqlm.py DENSE OUT CODEBOOKS BITS

Groups of 8; each codebook is a sample of what the ones before left over, nothing is searched: this is about the layout. Codes are
packed by the package aqlm itself.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from aqlm.utils import pack_int_data
from safetensors.torch import load_file, save_file

GROUP = 8


SOME = 4096


def nearest(vectors, book, generator):
    """The entry of the book that is nearest to each vector; of a large book the nearest of some, others for every part."""
    offset = (book * book).sum(1) / 2
    codes = []
    for part in vectors.split(1 << 12):
        some = torch.arange(len(book)) if len(book) <= SOME else torch.randperm(len(book), generator=generator)[:SOME]
        codes.append(some[(part @ book[some].T - offset[some]).argmax(1)])
    return torch.cat(codes)


def quantize(weight, count, bits, generator):
    """[out, in] -> codes, codebooks, scales."""
    out, columns = weight.shape
    scales = weight.float().std(1).clamp(min=1e-5).half()
    rest = (weight.float() / scales.float()[:, None]).view(-1, GROUP)
    codes, books = [], []
    for _ in range(count):
        picked = torch.randint(len(rest), (1 << bits,), generator=generator)
        book = rest[picked].half()
        code = nearest(rest, book.float(), generator)
        rest = rest - book.float()[code]
        codes.append(code)
        books.append(book)
    codes = torch.stack(codes, 1).view(out, columns // GROUP, count)
    return pack_int_data(codes, bits), torch.stack(books)[:, :, None, :], scales.view(out, 1, 1, 1)


def main():
    dense, out = Path(sys.argv[1]), Path(sys.argv[2])
    count, bits = int(sys.argv[3]), int(sys.argv[4])
    out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(1)
    tensors, plain = {}, ["lm_head", "lm_head.weight"]  # for Transformers 5 and 4
    for name, tensor in load_file(dense / "model.safetensors").items():
        if "_proj." in name:
            found = quantize(tensor, count, bits, generator)
            module = name.removesuffix("weight")
            tensors |= dict(zip((module + "codes", module + "codebooks", module + "scales"), found))
        else:
            tensors[name] = tensor
            plain.append(name)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, out / "model.safetensors", {"format": "pt"})
    config = json.loads((dense / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "aqlm", "nbits_per_codebook": bits, "num_codebooks": count, "out_group_size": 1,
        "in_group_size": GROUP, "linear_weights_not_to_quantize": plain,
    }
    (out / "config.json").write_text(json.dumps(config, indent=2))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (dense / name).exists():
            shutil.copy(dense / name, out / name)


main()
