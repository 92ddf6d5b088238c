#!/usr/bin/env python3
"""Puts a random adapter, made and written by PEFT, into a folder that Salient wrote.

    make_adapter.py DENSE FOLDER lora|dora [SIZE]

DENSE: the same model as plain numbers, which Transformers loads; SIZE: of the matrices' numbers (default 0.01).
"""

import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

torch.manual_seed(0)
dense, folder, kind = sys.argv[1:4]
dora = kind == "dora"
size = float(sys.argv[4]) if len(sys.argv) > 4 else 0.01
model = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)
config = LoraConfig(
    r=8, lora_alpha=16, target_modules=["q_proj", "o_proj", "down_proj"], rank_pattern={"layers.1.mlp.down_proj": 4}, use_dora=dora
)
model = get_peft_model(model, config)
for name, parameter in model.named_parameters():
    if "lora_" in name:
        # in fp16, as GPTQ-format folders keep adapters
        if "magnitude" in name:
            parameter.data = (parameter * torch.empty_like(parameter).uniform_(0.9, 1.1)).half()
        else:
            parameter.data = (torch.randn_like(parameter) * size).half()
model.save_pretrained(folder + "/adapter")
