#!/usr/bin/env python3
"""prepare.py CACHE MODEL [ENGINE CONVERSION]: writes a model, or one engine's conversion of it.

Folders appear complete or not at all: CACHE/MODEL/hf is the Hugging Face directory and the
reference logits stand beside it; CACHE/MODEL/ENGINE-CONVERSION is what the engine reads.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import engines
import table


def write_model(model, folder):
    """Random weights, seed 0; biases and LayerNorm are drawn too, so that losing one shows."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, model.config)(num_labels=2, **model.settings)
    made = getattr(transformers, model.architecture)(config)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    made.save_pretrained(folder)
    # Vocabularies are needed by converters only, which count their words.
    (write_byte_level if model in table.LANGUAGE_MODELS.values() else write_bert)(folder, config)


def write_byte_level(folder, config):
    words = [f"w{i}" for i in range(config.vocab_size - 1)] + ["<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}\n')


def write_bert(folder, config):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = special + [f"w{i}" for i in range(len(special), config.vocab_size)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}\n')


def complete(folder, write):
    """Calls write(folder) unless the folder is there."""
    if folder.exists():
        return
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial)
    partial.rename(folder)


def folder_of(cache, model, backend):
    """What the backend reads."""
    name = "hf" if backend.files == "none" else f"{backend.engine}-{backend.files}"
    return cache / model / name


def prepare(cache, model, backend):
    """Makes all that a backend needs for a model, in processes of their own."""
    steps = [[]]
    if backend.files != "none":
        steps.append([backend.engine, backend.files])
        first = getattr(engines.module(backend.engine), "REQUIRES", {}).get(backend.files)
        if first:
            steps.insert(1, [backend.engine, first])
    for step in steps:
        name = "-".join(step) or "hf"
        if not (cache / model / name).exists():
            print(f"preparing {model}: {name}", file=sys.stderr)
            subprocess.run([sys.executable, __file__, str(cache), model, *step], check=True,
                           stdout=sys.stderr, env={**os.environ, "HF_HUB_OFFLINE": "1"})


def main():
    directory = pathlib.Path(sys.argv[1]) / sys.argv[2]
    if len(sys.argv) == 3:
        complete(directory / "hf", lambda folder: write_model(table.model(sys.argv[2]), folder))
        return
    engine, conversion = sys.argv[3:]
    convert = getattr(engines.module(engine), "convert_" + conversion)
    complete(directory / f"{engine}-{conversion}", lambda folder: convert(directory, folder))


if __name__ == "__main__":
    main()
